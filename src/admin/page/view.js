// Fetches what the gateway says of itself (/page.json) and what it counts (/metrics), every two
// seconds while somebody looks, and shows it. Rates and latencies are differences of Prometheus'
// counters, so that nothing is counted twice. Every text goes in as text, never as HTML.
"use strict";
(() => {
  const pollEvery = 2000; // ms
  const giveUpAfter = 4000; // ms, a request
  const shownFor = 300; // s, of the live charts
  const oldAfter = 75; // s, of an answer of the database
  const tokenKey = "attentive-gateway-token";

  const events = {
    "sms.subscribed": "SMS opt-in", "email.subscribed": "E-mail opt-in",
    "sms.unsubscribed": "SMS opt-out", "email.unsubscribed": "E-mail opt-out",
    "sms.sent": "SMS sent", "email.sent": "E-mail sent", "email.opened": "E-mail opened",
    "sms.message_link_click": "SMS link clicked", "sms.link_clicked": "SMS link clicked",
    "email.message_link_click": "E-mail link clicked", "email.link_clicked": "E-mail link clicked",
    "sms.inbound_message": "SMS reply", "sms.inbound_received": "SMS reply",
    "custom_attribute.set": "Attribute set", "profile.attribute_set": "Attribute set",
    "page.viewed": "Page viewed (shop)", "order.completed": "Order (shop)",
    "unknown": "Not an event", "": "Not looked at",
  };
  const reasons = {
    malformed_json: "Not a JSON object", json_limits: "JSON too deep or too large",
    envelope_missing: "Type, time or company missing", type_unknown: "Unknown type of event",
    timestamp_invalid: "Impossible time", company_invalid: "Impossible company id",
    field_invalid: "Field of an unexpected shape", database_rejected: "Refused by the database",
    signature_missing: "No signature", signature_repeated: "More than one signature",
    signature_malformed: "Malformed signature", signature_mismatch: "Signed with another key",
    not_stored: "Could not be stored; the sender tries again",
  };
  const outcomes = [
    { id: "stored", mark: "✓", label: "Stored", meaning: "in the database", dash: [] },
    { id: "duplicate", mark: "=", label: "Duplicate", meaning: "was stored before", dash: [2, 3] },
    { id: "quarantined", mark: "!", label: "Quarantined", meaning: "signed, but no event", dash: [8, 4] },
    { id: "spooled", mark: "↓", label: "Spooled", meaning: "on this disk, follows by itself", dash: [8, 3, 2, 3] },
    { id: "refused", mark: "✕", label: "Refused", meaning: "not signed, or told to try again", dash: [4, 2] },
  ];
  const statuses = {
    200: "stored, or stored before", 202: "kept in quarantine", 400: "no event: kept in quarantine; or not proper HTTP",
    401: "no signature, or a wrong one", 404: "another path", 405: "another method than POST",
    408: "too slow", 411: "no length", 413: "too large", 415: "a Content-Encoding", 417: "an expectation nobody meets",
    431: "header too large", 501: "no method of HTTP's", 503: "not stored, to be sent again",
  };
  const durations = [
    { id: "request", label: "Answer", family: "attentive_gateway_request_duration_seconds" },
    { id: "commit", label: "Commit of a batch", family: "attentive_gateway_commit_duration_seconds" },
    { id: "delay", label: "From the event to stored", family: "attentive_gateway_event_delay_seconds" },
  ];

  const $ = (id) => document.getElementById(id);
  const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
  const number = (n) => whole.format(n);
  const rate = (n) => (n >= 100 ? number(n) : n.toLocaleString(undefined, { maximumFractionDigits: n >= 10 ? 1 : 2 }));
  const share = (part, of) => (of > 0 ? (100 * part / of).toLocaleString(undefined, { maximumFractionDigits: 1 }) + " %" : "");
  const channel = (c) => ({ sms: "SMS", email: "E-mail" }[c] || c);

  function bytes(n) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (n >= 1024 && unit < units.length - 1) {
      n /= 1024;
      unit += 1;
    }
    return n.toLocaleString(undefined, { maximumFractionDigits: unit && n < 100 ? 1 : 0 }) + " " + units[unit];
  }

  function span(seconds) {
    if (seconds === null || seconds === undefined || !isFinite(seconds)) return "–";
    if (seconds < 0.001) return (seconds * 1e3).toFixed(2) + " ms";
    if (seconds < 1) return (seconds * 1e3).toPrecision(seconds < 0.1 ? 2 : 3) + " ms";
    if (seconds < 60) return (seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)) + " s";
    if (seconds < 3600) return Math.floor(seconds / 60) + " min";
    const minutes = Math.floor(seconds % 3600 / 60);
    if (seconds < 172800) return Math.floor(seconds / 3600) + " h" + (minutes ? " " + minutes + " min" : "");
    return Math.floor(seconds / 86400) + " days";
  }

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // The viewer's own time; the day too, unless it is today. UTC on hovering.
  function clock(iso) {
    if (!iso) return "–";
    const at = new Date(iso);
    const today = at.toDateString() === new Date().toDateString();
    const day = today ? "" : at.toLocaleDateString(undefined, { day: "numeric", month: "short",
      year: at.getFullYear() === new Date().getFullYear() ? undefined : "numeric" }) + ", ";
    const time = today ? {} : { hour: "numeric", minute: "2-digit" };
    const made = element("time", day + at.toLocaleTimeString(undefined, time));
    made.dateTime = at.toISOString();
    made.title = at.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
    return made;
  }

  function known(words, code) {
    const box = document.createDocumentFragment();
    const said = Object.hasOwn(words, code) ? words[code] : "";
    if (said) box.append(said);
    if (code && said) box.append(" ");
    if (code) box.append(element("code", code));
    return box;
  }

  function titled(said, title) {
    const made = element("span", said, "free");
    if (title) made.title = title;
    return made;
  }

  const company = (row) => titled(row.company_name || row.company_id || "–", row.company_id);

  function outcomeOf(id) {
    const o = outcomes.find((known) => known.id === id) || { mark: "?", label: id };
    const box = element("span", undefined, "one-line");
    const mark = element("span", o.mark, "mark " + (o.meaning ? id : ""));
    mark.setAttribute("aria-hidden", "true");
    box.append(mark, o.label);
    return box;
  }

  const drawn = new Map();

  // Draws only what has changed, so that a selection and a screen reader's place stay.
  function fill(id, columns, rows, empty, wide) {
    const now = JSON.stringify(rows.length > 0 ? rows : empty);
    if (drawn.get(id) === now) return;
    drawn.set(id, now);
    const table = $(id);
    table.querySelectorAll("thead, tbody").forEach((old) => old.remove());
    table.className = wide ? "wide" : "";
    const body = element("tbody");
    if (rows.length === 0) {
      const cell = element("td", empty, "empty");
      cell.colSpan = columns.length;
      body.append(element("tr"));
      body.firstChild.append(cell);
      table.append(body);
      return;
    }
    if (wide) { // its look on a narrow screen must not take its meaning away
      table.setAttribute("role", "table");
      body.setAttribute("role", "rowgroup");
    }
    const head = element("tr");
    for (const column of columns) {
      const cell = element("th", column.label, column.number ? "number" : "");
      cell.scope = "col";
      head.append(cell);
    }
    table.append(element("thead"), body);
    table.tHead.append(head);
    if (wide) {
      table.tHead.setAttribute("role", "rowgroup");
      head.setAttribute("role", "row");
      for (const cell of head.cells) cell.setAttribute("role", "columnheader");
    }
    for (const row of rows) {
      const line = element("tr");
      if (wide) line.setAttribute("role", "row");
      if (row.key) line.dataset.key = row.key;
      columns.forEach((column, n) => {
        const cell = element(n === 0 ? "th" : "td", undefined, column.number ? "number" : "");
        if (n === 0) cell.scope = "row";
        else cell.dataset.label = column.label;
        if (wide) cell.setAttribute("role", n === 0 ? "rowheader" : "cell");
        cell.append(column.cell(row));
        line.append(cell);
      });
      body.append(line);
    }
  }

  function text(id, said) {
    const at = $(id);
    if (at.textContent !== said) at.textContent = said;
  }

  // Prometheus' text format: family → [{labels, value}].
  function parseMetrics(all) {
    const families = new Map();
    for (const line of all.split("\n")) {
      const parts = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
      if (!parts) continue;
      const labels = {};
      for (const label of (parts[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[label[1]] = label[2];
      if (!families.has(parts[1])) families.set(parts[1], []);
      families.get(parts[1]).push({ labels, value: Number(parts[3]) });
    }
    return families;
  }

  const total = (samples, wanted) => samples.filter(wanted || (() => true)).reduce((sum, s) => sum + s.value, 0);

  function sampleOf(families) {
    const of = (name) => families.get(name) || [];
    const sample = { at: performance.now() / 1000, outcomes: {}, buckets: {}, statuses: {} };
    for (const o of outcomes)
      sample.outcomes[o.id] = total(of("attentive_gateway_deliveries_total"), (s) => s.labels.outcome === o.id);
    sample.outcomes.refused += total(of("attentive_gateway_signature_failures_total"));
    for (const s of of("attentive_gateway_http_responses_total"))
      if (s.value > 0) sample.statuses[s.labels.code] = s.value;
    for (const d of durations) {
      sample.buckets[d.id] = of(d.family + "_bucket")
        .map((s) => [s.labels.le === "+Inf" ? Infinity : Number(s.labels.le), s.value])
        .sort((a, b) => a[0] - b[0]);
    }
    return sample;
  }

  // As Prometheus' histogram_quantile: the bucket, and a straight line within it. Beyond the last
  // bucket all that is known is its bound.
  function quantile(q, from, to) {
    const counts = to.map(([le, n], i) => [le, n - (from && from[i] ? from[i][1] : 0)]);
    const all = counts.length ? counts[counts.length - 1][1] : 0;
    if (all <= 0) return null;
    let below = 0;
    let start = 0;
    for (const [le, n] of counts) {
      if (n >= q * all) return le === Infinity ? start : start + (le - start) * (q * all - below) / (n - below);
      below = n;
      start = le;
    }
    return start;
  }

  let samples = [];

  const ago = (seconds) => {
    const last = samples[samples.length - 1];
    return samples.find((s) => last.at - s.at <= seconds + 0.5) || last;
  };

  function remember(sample) {
    const last = samples[samples.length - 1];
    const restarted = last && outcomes.some((o) => sample.outcomes[o.id] < last.outcomes[o.id]);
    if (restarted || (last && sample.at - last.at > 30)) samples = [];
    samples.push(sample);
    while (sample.at - samples[0].at > shownFor + 60) samples.shift();
  }

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const charts = {};

  const minutes = (x) => (x === 0 ? "now" : x % 60 === 0 ? x / 60 + " min" : "");

  function liveChart(id, series, unit) {
    return new Chart($(id), {
      type: "line",
      data: { datasets: series.map((s) => ({ label: s.label, data: [], colour: s.colour, borderDash: s.dash,
        borderWidth: 2, pointRadius: 0, pointHitRadius: 6, spanGaps: false })) },
      options: {
        animation: false, responsive: true, maintainAspectRatio: false, parsing: false, normalized: true,
        interaction: { mode: "index", intersect: false },
        scales: {
          x: { type: "linear", min: -shownFor, max: 0, grid: { display: false },
            ticks: { stepSize: 60, callback: minutes, maxRotation: 0 } },
          y: { beginAtZero: true, suggestedMax: 1, ticks: { maxTicksLimit: 5, callback: (v) => v.toLocaleString() + unit } },
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

  function makeCharts() {
    if (typeof Chart === "undefined") return;
    charts.rate = liveChart("rate-chart", outcomes.map((o) => ({ label: o.label, colour: "--" + o.id, dash: o.dash })), " /s");
    charts.latency = liveChart("latency-chart", [
      { label: "half", colour: "--stored", dash: [] },
      { label: "95 %", colour: "--spooled", dash: [8, 4] },
      { label: "99 %", colour: "--quarantined", dash: [2, 3] }], " ms");
    charts.consent = new Chart($("consent-chart"), {
      type: "bar",
      data: { labels: [], datasets: [
        { label: "SMS opt-ins", colour: "--sms", data: [] }, { label: "E-mail opt-ins", colour: "--email", data: [] },
        { label: "SMS opt-outs", colour: "--sms-out", data: [] }, { label: "E-mail opt-outs", colour: "--email-out", data: [] }] },
      options: {
        animation: false, responsive: true, maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        scales: {
          x: { stacked: true, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 16 } },
          y: { stacked: true, suggestedMax: 1, ticks: { maxTicksLimit: 5, precision: 0, callback: (v) => v.toLocaleString() } },
        },
        plugins: {
          legend: { position: "bottom", labels: { boxWidth: 14, boxHeight: 10, padding: 10 } },
          tooltip: { callbacks: { label: (item) => item.dataset.label + ": " + number(Math.abs(item.parsed.y)) } },
        },
      },
    });
    paint();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  }

  function paint() {
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
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

  function drawLive() {
    const last = samples[samples.length - 1];
    const at = (s) => Math.max(s.at - last.at, -shownFor);
    const counted = samples.filter((s) => last.at - s.at <= shownFor + pollEvery / 1000);
    if (!charts.rate) return;
    charts.rate.data.datasets.forEach((set, n) => {
      const id = outcomes[n].id;
      set.data = counted.slice(1).map((s, i) => ({ x: at(s),
        y: (s.outcomes[id] - counted[i].outcomes[id]) / (s.at - counted[i].at) }));
    });
    [0.5, 0.95, 0.99].forEach((q, n) => {
      charts.latency.data.datasets[n].data = counted.slice(1).map((s, i) => {
        const took = quantile(q, counted[Math.max(0, i - 4)].buckets.request, s.buckets.request);
        return { x: at(s), y: took === null ? NaN : took * 1000 };
      });
    });
    charts.rate.update("none");
    charts.latency.update("none");
    const begun = samples.length > 10; // before that, a line too short to see
    document.querySelectorAll(".hint").forEach((hint) => { hint.hidden = begun; });
  }

  function showCounts() {
    const last = samples[samples.length - 1];
    const before = ago(10);
    const seconds = last.at - before.at;
    const perSecond = (id) => (seconds > 0 ? (last.outcomes[id] - before.outcomes[id]) / seconds : null);
    const all = outcomes.map((o) => perSecond(o.id));
    text("tile-rate", seconds > 0 ? rate(all.reduce((sum, n) => sum + n, 0)) : "–");
    fill("outcomes", [
      { label: "Outcome", cell: (r) => {
        const box = document.createDocumentFragment();
        box.append(outcomeOf(r.key), " ", element("span", r.meaning, "quiet"));
        return box;
      } },
      { label: "a second", number: true, cell: (r) => r.rate },
      { label: "since start", number: true, cell: (r) => r.total },
    ], outcomes.map((o, n) => ({ key: o.id, meaning: o.meaning, rate: all[n] === null ? "–" : rate(all[n]),
      total: number(last.outcomes[o.id]) })));

    const minute = ago(60);
    const rows = durations.map((d) => {
      const to = last.buckets[d.id];
      const bound = to.length > 1 ? to[to.length - 2][0] : 0;
      const took = (q) => {
        const seconds = minute === last ? null : quantile(q, minute.buckets[d.id], to);
        return (seconds !== null && seconds >= bound ? "over " : "") + span(seconds);
      };
      return { key: d.id, label: d.label, half: took(0.5), most: took(0.95), nearly: took(0.99) };
    });
    text("tile-latency", rows[0].most);
    fill("latencies", [
      { label: "Time of", cell: (r) => r.label },
      { label: "half", number: true, cell: (r) => r.half },
      { label: "95 %", number: true, cell: (r) => r.most },
      { label: "99 %", number: true, cell: (r) => r.nearly },
    ], rows);
    fill("answers", [
      { label: "Status", cell: (r) => r.key },
      { label: "Meaning", cell: (r) => r.meaning },
      { label: "Answers", number: true, cell: (r) => r.count },
    ], Object.keys(last.statuses).sort().map((code) => ({ key: code,
      meaning: statuses[code] || "", count: number(last.statuses[code]) })),
    "No request yet.");
    drawLive();
  }

  function showState(page) {
    const notReady = page.not_ready.length > 0;
    const level = notReady ? "bad" : page.degraded.length > 0 ? "warn" : "good";
    state(level, { good: "✓ Taking events", warn: "! Taking events, needs attention", bad: "✕ Not ready" }[level]);
    trouble(level, [...page.not_ready, ...page.degraded]);
    const about = $("about");
    if (about.dataset.started !== page.started_at) {
      about.dataset.started = page.started_at;
      about.replaceChildren("Version " + page.version + ", running since ", clock(page.started_at));
    }
  }

  function state(level, said) {
    $("state").dataset.level = level;
    text("state", said);
    document.title = (level === "good" ? "" : said.slice(0, 1) + " ") + "attentive-gateway";
  }

  let troubles = "";
  function trouble(level, said) {
    $("trouble").hidden = said.length === 0;
    $("trouble").dataset.level = level;
    if (troubles === said.join("\n")) return;
    troubles = said.join("\n");
    $("trouble-list").replaceChildren(...said.map((reason) => element("li", reason.charAt(0).toUpperCase() + reason.slice(1))));
  }

  function showDeliveries(page) {
    fill("deliveries", [
      { label: "Received", cell: (r) => clock(r.received_at) },
      { label: "Outcome", cell: (r) => outcomeOf(r.outcome) },
      { label: "Event", cell: (r) => known(events, r.type) },
      { label: "Company", cell: company },
      { label: "Reason", cell: (r) => (r.reason ? known(reasons, r.reason) : "–") },
    ], page.deliveries,
    "Nothing has come since this gateway started. Send a signed sample: attentive-gateway send --url … --key-file … --type all", true);
  }

  // When the rows were read, and why they are not newer.
  function asOf(id, part, now) {
    const at = $(id + "-as-of");
    const age = part.as_of ? (new Date(now) - new Date(part.as_of)) / 1000 : null;
    const old = part.trouble !== "" || (age !== null && age > oldAfter);
    at.className = old ? "old" : "";
    const said = JSON.stringify([part.as_of, part.trouble, old ? Math.floor(age / 5) : 0]);
    if (at.dataset.said === said) return;
    at.dataset.said = said;
    if (age === null) at.replaceChildren(part.trouble ? "Not known yet: " + part.trouble + "." : "Reading …");
    else if (old) at.replaceChildren("Old, as of ", clock(part.as_of), " (" + span(age) + " ago)" + (part.trouble ? ": " + part.trouble : "") + ".");
    else at.replaceChildren("As of ", clock(part.as_of), ".");
  }

  const note = (part, said) => (part.trouble ? "old, see below" : said);
  const unread = (part, empty) => (part.as_of ? empty : "Not read yet.");

  // What the log got, by all gateways: in a quiet shop the last seconds say nothing.
  function showRecent(part) {
    const r = part.rows[0];
    text("tile-rate-note", r ? (r.more ? "over " : "") + number(r.day) + " new in 24 h, " + number(r.hour) + " in the last hour" : "in the last 10 s");
  }

  function showQuarantine(part) {
    text("tile-quarantine", part.as_of ? number(part.rows.reduce((sum, r) => sum + r.waiting, 0)) : "–");
    text("tile-quarantine-note", note(part, "wait for a look"));
    fill("quarantine", [
      { label: "Reason", cell: (r) => known(reasons, r.reason) },
      { label: "Field", cell: (r) => element("code", r.field || "–", "free") },
      { label: "Found", cell: (r) => r.found || "–" },
      { label: "Expected", cell: (r) => r.expected || "–" },
      { label: "Newest", cell: (r) => clock(r.newest) },
      { label: "Waiting", number: true, cell: (r) => number(r.waiting) },
    ], part.rows, unread(part, "Nothing waits. What cannot be mapped would stand here, with the field at fault; attentive-gateway quarantine list shows each."), true);
  }

  function showSilence(part) {
    text("tile-silent", part.as_of ? number(part.rows.filter((r) => r.is_silent).length) : "–");
    text("tile-silent-note", note(part, "against their rhythm"));
    // Rounded, so that the table is drawn anew only when something to see has changed.
    const rows = part.rows.map((r) => ({ ...r, silence_seconds: undefined, silent_for: r.silence_seconds < 60 ? "< 1 min" : span(r.silence_seconds),
      usual: r.usual_seconds === null ? "–" : span(r.usual_seconds) }));
    fill("silence", [
      { label: "Company", cell: company },
      { label: "Event", cell: (r) => titled(Object.hasOwn(events, r.event_name) ? events[r.event_name] : r.event_name, r.event_name) },
      { label: "Newest event", cell: (r) => clock(r.newest_event) },
      { label: "Silent for", number: true, cell: (r) => r.silent_for },
      { label: "Usual", number: true, cell: (r) => r.usual },
      { label: "State", cell: (r) => (r.is_silent ? element("strong", "! silent", "refused one-line") : titled(r.state === "usual" ? "as usual" : r.state)) },
    ], rows, unread(part, "No events yet. Send one: attentive-gateway send --url … --key-file … --type all"), true);
  }

  function lastDays(count) {
    const today = Date.now();
    return Array.from({ length: count }, (_, n) => new Date(today - (count - 1 - n) * 86400000).toISOString().slice(0, 10));
  }

  const shortDay = (day) => new Date(day + "T12:00:00").toLocaleDateString(undefined, { day: "numeric", month: "short" });

  function showConsent(part) {
    const sums = new Map();
    for (const r of part.rows) {
      const sum = sums.get(r.channel) || { key: r.channel, ins: 0, outs: 0, net: 0 };
      sum.ins += r.opt_ins;
      sum.outs += r.opt_outs;
      sum.net += r.net_change;
      sums.set(r.channel, sum);
    }
    const signed = (n) => (n > 0 ? "+" : n < 0 ? "−" : "") + number(Math.abs(n));
    const columns = [
      { label: "Opt-ins", number: true, cell: (r) => number(r.ins) },
      { label: "Opt-outs", number: true, cell: (r) => number(r.outs) },
      { label: "Net change", number: true, cell: (r) => signed(r.net) },
    ];
    fill("consent", [{ label: "Channel", cell: (r) => channel(r.key) }, ...columns],
      [...sums.values()].sort((a, b) => (a.key < b.key ? 1 : -1)), unread(part, "No opt-in or opt-out in the last 30 days."));
    fill("consent-days", [{ label: "Day", cell: (r) => shortDay(r.day) }, { label: "Channel", cell: (r) => channel(r.channel) }, ...columns],
      part.rows.map((r) => ({ day: r.day, channel: r.channel, ins: r.opt_ins, outs: r.opt_outs, net: r.net_change })).reverse(),
      unread(part, "None."));
    const days = lastDays(30);
    if (!charts.consent || drawn.get("consent-chart") === days[0] + JSON.stringify(part.rows)) return;
    drawn.set("consent-chart", days[0] + JSON.stringify(part.rows));
    const on = (day, wanted, field) => part.rows.filter((r) => r.day === day && r.channel === wanted).reduce((sum, r) => sum + r[field], 0);
    charts.consent.data.labels = days.map(shortDay);
    [["sms", "opt_ins", 1], ["email", "opt_ins", 1], ["sms", "opt_outs", -1], ["email", "opt_outs", -1]].forEach(([c, field, sign], n) => {
      charts.consent.data.datasets[n].data = days.map((day) => sign * on(day, c, field));
    });
    charts.consent.update("none");
  }

  function showMessages(part) {
    fill("messages", [
      { label: "Message", cell: (r) => element("span", r.message_name || r.message_subject || r.message_key, "free") },
      { label: "By", cell: (r) => channel(r.channel) },
      { label: "Last sent", cell: (r) => clock(r.last_sent_at) },
      { label: "People", number: true, cell: (r) => number(r.recipients) },
      { label: "Opened", number: true, cell: (r) => (r.channel === "email" ? share(r.unique_openers, r.recipients) : "–") },
      { label: "Clicked", number: true, cell: (r) => number(r.unique_clickers) + (r.recipients ? " (" + share(r.unique_clickers, r.recipients) + ")" : "") },
      { label: "Opted out", number: true, cell: (r) => number(r.unsubscribed_7d) },
    ], part.rows, unread(part, "No message was sent in the last 30 days, as far as the gateway was told."), true);
  }

  function showStores(page, projector) {
    const spool = page.spool;
    const lag = projector.rows[0];
    text("tile-spool", spool ? number(spool.events) : "none");
    text("tile-spool-note", spool ? "events wait here" : "no [spool] is set");
    text("tile-lag", lag ? (lag.events > 0 ? span(lag.oldest_seconds) : "0 s") : "–");
    text("tile-lag-note", projector.trouble ? "old" : lag ? number(lag.events) + (lag.events === 1 ? " event" : " events") + " to go" : "not read yet");
    const rows = [
      ["Database", page.database.reachable ? "answers since" : "out of reach since", page.database.since],
      ["New events go", page.database.takes_events ? "to the database" : spool ? "to the spool" : "nowhere: they are refused"],
      ["Waiting for a commit", number(page.inbox_events)],
    ];
    if (spool) {
      rows.push(["Events in the spool", number(spool.events)]);
      rows.push(["Room used", bytes(spool.bytes) + " of " + bytes(spool.bytes_max)]);
      rows.push(["Oldest in the spool", "", spool.oldest]);
      rows.push(["Damaged files", number(spool.damaged_files)]);
    } else {
      rows.push(["Spool", "none: an outage of the database refuses events"]);
    }
    if (lag) {
      rows.push(["Events the reports do not have yet", number(lag.events)]);
      rows.push(["Batches set aside by the reports", number(lag.failed)]);
    }
    rows.push(["Certificate valid until", page.certificate_ends ? "" : "none: plain HTTP", page.certificate_ends]);
    fill("spool", [
      { label: "What", cell: (r) => r[0] },
      { label: "State", cell: (r) => {
        const box = document.createDocumentFragment();
        box.append(r[1] + (r[1] && r[2] ? " " : ""));
        if (r[2] !== undefined) box.append(r[1] && !r[2] ? "" : clock(r[2]));
        return box;
      } },
    ], rows, "");
  }

  let token = sessionStorage.getItem(tokenKey) || "";
  let paused = false;
  let failingSince = null;
  let timer = 0;

  class unauthorized extends Error {}

  async function get(path) {
    const headers = token ? { Authorization: "Bearer " + token } : {};
    const answer = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(giveUpAfter) });
    if (answer.status === 401) throw new unauthorized();
    if (!answer.ok) throw new Error("it answers " + answer.status);
    return answer;
  }

  function show(page, metrics) {
    $("content").hidden = false; // before the charts are drawn: a hidden one has no size
    $("token-form").hidden = true;
    failingSince = null;
    remember(sampleOf(parseMetrics(metrics)));
    showState(page);
    showDeliveries(page);
    for (const [id, draw] of [["quarantine", showQuarantine], ["silence", showSilence], ["consent", showConsent], ["messages", showMessages]]) {
      asOf(id, page.answers[id], page.now);
      draw(page.answers[id]);
    }
    showRecent(page.answers.recent);
    showStores(page, page.answers.projector);
    showCounts();
    document.body.dataset.shown = page.now;
  }

  function askForToken() {
    state("warn", "! Token needed");
    trouble("warn", []);
    $("content").hidden = true;
    text("token-message", token ? "This token is not the gateway's: compare it with what [admin] token in its configuration names."
      : "This gateway shows its numbers to whoever has the token that [admin] in its configuration names.");
    sessionStorage.removeItem(tokenKey);
    token = "";
    $("token-form").hidden = false;
    $("token").focus();
  }

  function noAnswer(why) {
    failingSince = failingSince || new Date();
    state("bad", "✕ No answer");
    trouble("bad", ["The gateway has not answered since " + failingSince.toLocaleTimeString() + " (" + why + "): is it running, and the way to it open? What is shown below is old."]);
  }

  async function tick() {
    clearTimeout(timer);
    if (paused || document.hidden) return;
    try {
      const [page, metrics] = await Promise.all([get("/page.json").then((a) => a.json()), get("/metrics").then((a) => a.text())]);
      show(page, metrics);
    } catch (e) {
      if (e instanceof unauthorized) return askForToken();
      noAnswer(e.message);
    }
    clearTimeout(timer);
    timer = setTimeout(tick, pollEvery);
  }

  $("pause").addEventListener("click", () => {
    paused = !paused;
    $("pause").setAttribute("aria-pressed", String(paused));
    text("pause", paused ? "Resume" : "Pause");
    tick();
  });
  $("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    token = $("token").value.trim();
    $("token").value = "";
    sessionStorage.setItem(tokenKey, token);
    tick();
  });
  document.addEventListener("visibilitychange", tick);
  makeCharts();
  tick();
})();
