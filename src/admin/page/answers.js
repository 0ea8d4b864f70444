// What only the database knows, as far as it was asked lately: each part says how old it is.
import { drawConsent } from "./charts.js";
import { number, share, shortDay, signed, span } from "./formats.js";
import { $, clock, company, element, fill, known, text, titled } from "./table.js";
import { channel, events, reasons } from "./words.js";

const oldAfter = 75; // s, of an answer of the database

// When the rows were read, and why they are not newer.
function asOf(id, part, now) {
  const at = $(id + "-as-of");
  const age = part.as_of ? (new Date(now) - new Date(part.as_of)) / 1000 : null;
  const old = part.trouble !== "" || (age !== null && age > oldAfter);
  at.className = old ? "old" : "";
  const said = JSON.stringify([part.as_of, part.trouble, old ? Math.floor(age / 5) : 0]);
  if (at.dataset.said === said) return;
  at.dataset.said = said;
  if (age === null)
    at.replaceChildren(part.trouble ? "Not known yet: " + part.trouble + "." : "Reading …");
  else if (old)
    at.replaceChildren("Old, as of ", clock(part.as_of), " (" + span(age) + " ago)" +
      (part.trouble ? ": " + part.trouble : "") + ".");
  else
    at.replaceChildren("As of ", clock(part.as_of), ".");
}

const note = (part, said) => (part.trouble ? "old, see below" : said);
const unread = (part, empty) => (part.as_of ? empty : "Not read yet.");

// What the log got, by all gateways: in a quiet shop the last seconds say nothing.
function showRecent(part) {
  const r = part.rows[0];
  text("tile-rate-note", r ? (r.more ? "over " : "") + number(r.day) + " new in 24 h, " +
    number(r.hour) + " in the last hour" : "in the last 10 s");
}

function showQuarantine(part) {
  const waiting = part.rows.reduce((sum, r) => sum + r.waiting, 0);
  text("tile-quarantine", part.as_of ? number(waiting) : "–");
  text("tile-quarantine-note", note(part, "wait for a look"));
  fill("quarantine", [
    { label: "Reason", cell: (r) => known(reasons, r.reason) },
    { label: "Field", cell: (r) => element("code", r.field || "–", "free") },
    { label: "Found", cell: (r) => r.found || "–" },
    { label: "Expected", cell: (r) => r.expected || "–" },
    { label: "Newest", cell: (r) => clock(r.newest) },
    { label: "Waiting", number: true, cell: (r) => number(r.waiting) },
  ], part.rows, unread(part, "Nothing waits. What cannot be mapped would stand here, with the " +
    "field at fault; attentive-gateway quarantine list shows each."), true);
}

function showSilence(part) {
  text("tile-silent", part.as_of ? number(part.rows.filter((r) => r.is_silent).length) : "–");
  text("tile-silent-note", note(part, "against their rhythm"));
  const event = ({ event_name: name }) =>
    titled(Object.hasOwn(events, name) ? events[name] : name, name);
  // Rounded, so that the table is drawn anew only when something to see has changed.
  const rows = part.rows.map((r) => ({ ...r, silence_seconds: undefined,
    silent_for: r.silence_seconds < 60 ? "< 1 min" : span(r.silence_seconds),
    usual: r.usual_seconds === null ? "–" : span(r.usual_seconds) }));
  fill("silence", [
    { label: "Company", cell: company },
    { label: "Event", cell: event },
    { label: "Newest event", cell: (r) => clock(r.newest_event) },
    { label: "Silent for", number: true, cell: (r) => r.silent_for },
    { label: "Usual", number: true, cell: (r) => r.usual },
    { label: "State", cell: (r) => (r.is_silent ? element("strong", "! silent", "refused one-line")
      : titled(r.state === "usual" ? "as usual" : r.state)) },
  ], rows, unread(part,
    "No events yet. Send one: attentive-gateway send --url … --key-file … --type all"), true);
}

function showConsent(part) {
  const sums = new Map();
  for (const r of part.rows) {
    const sum = sums.get(r.channel) || { channel: r.channel, opt_ins: 0, opt_outs: 0,
      net_change: 0 };
    for (const field of ["opt_ins", "opt_outs", "net_change"]) sum[field] += r[field];
    sums.set(r.channel, sum);
  }
  const columns = [
    { label: "Channel", cell: (r) => channel(r.channel) },
    { label: "Opt-ins", number: true, cell: (r) => number(r.opt_ins) },
    { label: "Opt-outs", number: true, cell: (r) => number(r.opt_outs) },
    { label: "Net change", number: true, cell: (r) => signed(r.net_change) },
  ];
  fill("consent", columns, [...sums.values()].sort((a, b) => (a.channel < b.channel ? 1 : -1)),
    unread(part, "No opt-in or opt-out in the last 30 days."));
  fill("consent-days", [{ label: "Day", cell: (r) => shortDay(r.day) }, ...columns],
    [...part.rows].reverse(), unread(part, "None."));
  drawConsent(part.rows);
}

// Whoever said stop and is not known goes on being written to.
function showNobody(part) {
  const n = part.rows.length ? part.rows[0].opt_outs : 0;
  text("nobody", n === 0 ? unread(part, "All opt-outs are somebody's.")
    : "! " + number(n) + (n === 1 ? " opt-out names" : " opt-outs name") +
      " nobody: see report.opt_outs_of_nobody.");
  $("nobody").className = n === 0 ? "quiet" : "refused";
}

function showMessages(part) {
  const clicked = (r) => number(r.unique_clickers) +
    (r.recipients ? " (" + share(r.unique_clickers, r.recipients) + ")" : "");
  fill("messages", [
    { label: "Message",
      cell: (r) => element("span", r.message_name || r.message_subject || r.message_key, "free") },
    { label: "By", cell: (r) => channel(r.channel) },
    { label: "Last sent", cell: (r) => clock(r.last_sent_at) },
    { label: "People", number: true, cell: (r) => number(r.recipients) },
    { label: "Opened", number: true,
      cell: (r) => (r.channel === "email" ? share(r.unique_openers, r.recipients) : "–") },
    { label: "Clicked", number: true, cell: clicked },
    { label: "Opted out", number: true, cell: (r) => number(r.unsubscribed_7d) },
  ], part.rows, unread(part,
    "No message was sent in the last 30 days, as far as the gateway was told."), true);
}

const parts = { quarantine: showQuarantine, silence: showSilence, consent: showConsent,
  nobody: showNobody, messages: showMessages };

export function showAnswers(page) {
  for (const [id, draw] of Object.entries(parts)) {
    asOf(id, page.answers[id], page.now);
    draw(page.answers[id]);
  }
  showRecent(page.answers.recent);
}
