// What this gateway knows by itself: its counters, its state, its stores, its newest deliveries.
import { drawLive } from "./charts.js";
import { bytes, number, rate, span } from "./formats.js";
import { quantile } from "./metrics.js";
import { $, clock, company, element, fill, fragment, known, outcomeOf, text } from "./table.js";
import { durations, events, outcomes, reasons, statuses } from "./words.js";

function showRates(history) {
  const { last } = history;
  const before = history.ago(10);
  const seconds = last.at - before.at;
  const rates = outcomes.map((o) => (last.outcomes[o.id] - before.outcomes[o.id]) / seconds);
  const shown = (n) => (seconds > 0 ? rate(n) : "–");
  text("tile-rate", shown(rates.reduce((sum, n) => sum + n, 0)));
  fill("outcomes", [
    { label: "Outcome",
      cell: (r) => fragment(outcomeOf(r.key), " ", element("span", r.meaning, "quiet")) },
    { label: "a second", number: true, cell: (r) => r.rate },
    { label: "since start", number: true, cell: (r) => r.total },
  ], outcomes.map((o, n) => ({ key: o.id, meaning: o.meaning, rate: shown(rates[n]),
    total: number(last.outcomes[o.id]) })));
}

function showLatencies(history) {
  const { last } = history;
  const minute = history.ago(60);
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
}

export function showCounts(history, pollEvery) {
  showRates(history);
  showLatencies(history);
  const counted = history.last.statuses;
  fill("answers", [
    { label: "Status", cell: (r) => r.key },
    { label: "Meaning", cell: (r) => r.meaning },
    { label: "Answers", number: true, cell: (r) => r.count },
  ], Object.keys(counted).sort().map((code) => ({ key: code, meaning: statuses[code] || "",
    count: number(counted[code]) })), "No request yet.");
  drawLive(history, pollEvery);
}

export function state(level, said) {
  $("state").dataset.level = level;
  text("state", said);
  document.title = (level === "good" ? "" : said.slice(0, 1) + " ") + "attentive-gateway";
}

let troubles = "";

export function trouble(level, said) {
  $("trouble").hidden = said.length === 0;
  $("trouble").dataset.level = level;
  if (troubles === said.join("\n")) return;
  troubles = said.join("\n");
  $("trouble-list").replaceChildren(...said.map((reason) =>
    element("li", reason.charAt(0).toUpperCase() + reason.slice(1))));
}

export function showState(page) {
  const level = page.not_ready.length > 0 ? "bad" : page.degraded.length > 0 ? "warn" : "good";
  const said = { good: "✓ Taking events", warn: "! Taking events, needs attention",
    bad: "✕ Not ready" };
  state(level, said[level]);
  trouble(level, [...page.not_ready, ...page.degraded]);
  const about = $("about");
  if (about.dataset.started === page.started_at) return;
  about.dataset.started = page.started_at;
  about.replaceChildren("Version " + page.version + ", running since ", clock(page.started_at));
}

export function showDeliveries(page) {
  fill("deliveries", [
    { label: "Received", cell: (r) => clock(r.received_at) },
    { label: "Outcome", cell: (r) => outcomeOf(r.outcome) },
    { label: "Event", cell: (r) => known(events, r.type) },
    { label: "Company", cell: company },
    { label: "Reason", cell: (r) => (r.reason ? known(reasons, r.reason) : "–") },
  ], page.deliveries, "Nothing has come since this gateway started. Send a signed sample: " +
    "attentive-gateway send --url … --key-file … --type all", true);
}

// [what, state, since when]
function storeRows({ database, spool, inbox_events, certificate_ends }, lag) {
  const taken = database.takes_events ? "to the database"
    : spool ? "to the spool" : "nowhere: they are refused";
  const rows = [
    ["Database", database.reachable ? "answers since" : "out of reach since", database.since],
    ["New events go", taken],
    ["Waiting for a commit", number(inbox_events)],
  ];
  if (spool)
    rows.push(["Events in the spool", number(spool.events)],
      ["Room used", bytes(spool.bytes) + " of " + bytes(spool.bytes_max)],
      ["Oldest in the spool", "", spool.oldest],
      ["Damaged files", number(spool.damaged_files)]);
  else
    rows.push(["Spool", "none: an outage of the database refuses events"]);
  if (lag)
    rows.push(["Deliveries the log does not have yet", number(lag.deliveries)],
      ["Events the reports do not have yet", number(lag.events)],
      ["Events set aside by the reports", number(lag.failed)]);
  rows.push(["Certificate valid until", certificate_ends ? "" : "none: plain HTTP",
    certificate_ends]);
  return rows;
}

export function showStores(page, applier) {
  const { spool } = page;
  const lag = applier.rows[0];
  text("tile-spool", spool ? number(spool.events) : "none");
  text("tile-spool-note", spool ? "events wait here" : "no [spool] is set");
  const waiting = lag ? lag.deliveries + lag.events : 0;
  text("tile-lag", lag ? (waiting > 0 ? span(lag.oldest_seconds) : "0 s") : "–");
  const rest = lag ? number(waiting) + (waiting === 1 ? " event" : " events") + " to go"
    : "not read yet";
  text("tile-lag-note", applier.trouble ? "old" : rest);
  const stateOf = ([, said, since]) => (since === undefined || (said && !since)
    ? said : fragment(said, said ? " " : "", clock(since)));
  fill("spool", [
    { label: "What", cell: (r) => r[0] },
    { label: "State", cell: stateOf },
  ], storeRows(page, lag), "");
}
