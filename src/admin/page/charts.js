// The three charts, by Debian's Chart.js (the global Chart, of chart.js). Without it the page has
// its tables. Colours are the style's, so that they change with the scheme.
import { lastDays, number, rate, shortDay } from "./formats.js";
import { quantile } from "./metrics.js";
import { $, isNew } from "./table.js";
import { outcomes } from "./words.js";

const charts = {};
const common = { animation: false, responsive: true, maintainAspectRatio: false,
  interaction: { mode: "index", intersect: false } };
const latencies = [
  { q: 0.5, label: "half", colour: "--accepted", dash: [] },
  { q: 0.95, label: "95 %", colour: "--spooled", dash: [8, 4] },
  { q: 0.99, label: "99 %", colour: "--quarantined", dash: [2, 3] },
];
const movements = [
  { label: "SMS opt-ins", colour: "--sms", channel: "sms", field: "opt_ins", sign: 1 },
  { label: "E-mail opt-ins", colour: "--email", channel: "email", field: "opt_ins", sign: 1 },
  { label: "SMS opt-outs", colour: "--sms-out", channel: "sms", field: "opt_outs", sign: -1 },
  { label: "E-mail opt-outs", colour: "--email-out", channel: "email", field: "opt_outs",
    sign: -1 },
];

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const minutes = (x) => (x === 0 ? "now" : x % 60 === 0 ? x / 60 + " min" : "");

function liveChart(id, series, unit, seconds) {
  return new Chart($(id), {
    type: "line",
    data: { datasets: series.map((s) => ({ label: s.label, data: [], colour: s.colour,
      borderDash: s.dash, borderWidth: 2, pointRadius: 0, pointHitRadius: 6, spanGaps: false })) },
    options: {
      ...common, parsing: false, normalized: true,
      scales: {
        x: { type: "linear", min: -seconds, max: 0, grid: { display: false },
          ticks: { stepSize: 60, callback: minutes, maxRotation: 0 } },
        y: { beginAtZero: true, suggestedMax: 1,
          ticks: { maxTicksLimit: 5, callback: (v) => v.toLocaleString() + unit } },
      },
      plugins: {
        legend: { position: "bottom", labels: { boxWidth: 26, boxHeight: 0, padding: 10 } },
        tooltip: { callbacks: {
          title: (items) => (items.length ? Math.round(-items[0].parsed.x) + " s ago" : ""),
          label: (item) => item.dataset.label + ": " + rate(item.parsed.y) + unit } },
      },
    },
  });
}

function consentChart() {
  const said = (item) => item.dataset.label + ": " + number(Math.abs(item.parsed.y));
  return new Chart($("consent-chart"), {
    type: "bar",
    data: { labels: [], datasets: movements.map((m) => ({ label: m.label, colour: m.colour,
      data: [] })) },
    options: {
      ...common,
      scales: {
        x: { stacked: true, grid: { display: false },
          ticks: { maxRotation: 0, autoSkipPadding: 16 } },
        y: { stacked: true, suggestedMax: 1,
          ticks: { maxTicksLimit: 5, precision: 0, callback: (v) => v.toLocaleString() } },
      },
      plugins: {
        legend: { position: "bottom", labels: { boxWidth: 14, boxHeight: 10, padding: 10 } },
        tooltip: { callbacks: { label: said } },
      },
    },
  });
}

function paint() {
  for (const chart of Object.values(charts)) {
    chart.options.color = css("--quiet");
    for (const scale of Object.values(chart.options.scales)) {
      scale.ticks.color = css("--quiet");
      scale.grid = { ...scale.grid, color: css("--line"), borderColor: css("--line") };
    }
    for (const set of chart.data.datasets) {
      set.borderColor = css(set.colour);
      set.backgroundColor = css(set.colour);
    }
    chart.update("none");
  }
}

// The live charts show `seconds`.
export function makeCharts(seconds) {
  if (typeof Chart === "undefined") return;
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  const rates = outcomes.map((o) => ({ label: o.label, colour: "--" + o.id, dash: o.dash }));
  charts.rate = liveChart("rate-chart", rates, " /s", seconds);
  charts.latency = liveChart("latency-chart", latencies, " ms", seconds);
  charts.consent = consentChart();
  paint();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}

export function drawLive(history, pollEvery) {
  if (!charts.rate) return;
  const { last, samples, seconds } = history;
  const at = (s) => Math.max(s.at - last.at, -seconds);
  const counted = samples.filter((s) => last.at - s.at <= seconds + pollEvery / 1000);
  charts.rate.data.datasets.forEach((set, n) => {
    const id = outcomes[n].id;
    set.data = counted.slice(1).map((s, i) => ({ x: at(s),
      y: (s.outcomes[id] - counted[i].outcomes[id]) / (s.at - counted[i].at) }));
  });
  charts.latency.data.datasets.forEach((set, n) => {
    set.data = counted.slice(1).map((s, i) => {
      const before = counted[Math.max(0, i - 4)];
      const took = quantile(latencies[n].q, before.buckets.request, s.buckets.request);
      return { x: at(s), y: took === null ? NaN : took * 1000 };
    });
  });
  charts.rate.update("none");
  charts.latency.update("none");
  const begun = samples.length > 10; // before that, a line too short to see
  document.querySelectorAll(".hint").forEach((hint) => { hint.hidden = begun; });
}

export function drawConsent(rows) {
  const days = lastDays(30);
  if (!charts.consent || !isNew("consent-chart", [days[0], rows])) return;
  charts.consent.data.labels = days.map(shortDay);
  charts.consent.data.datasets.forEach((set, n) => {
    const { channel, field, sign } = movements[n];
    const on = (day) => rows.filter((r) => r.day === day && r.channel === channel)
      .reduce((sum, r) => sum + r[field], 0);
    set.data = days.map((day) => sign * on(day));
  });
  charts.consent.update("none");
}
