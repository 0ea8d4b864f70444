// Nodes and tables. Every text goes in as text, never as HTML: all of them count as hostile.
import { outcomes } from "./words.js";

export const $ = (id) => document.getElementById(id);

export function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function fragment(...parts) {
  const box = document.createDocumentFragment();
  box.append(...parts);
  return box;
}

export function text(id, said) {
  const at = $(id);
  if (at.textContent !== said) at.textContent = said;
}

// The viewer's own time; the day too, unless it is today. UTC on hovering.
export function clock(iso) {
  if (!iso) return "–";
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  const year = at.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  const day = at.toLocaleDateString(undefined, { day: "numeric", month: "short", year });
  const time = at.toLocaleTimeString(undefined,
    today ? {} : { hour: "numeric", minute: "2-digit" });
  const made = element("time", today ? time : day + ", " + time);
  made.dateTime = at.toISOString();
  made.title = at.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
  return made;
}

// The words for a code, and the code behind them.
export function known(words, code) {
  const said = Object.hasOwn(words, code) ? words[code] : "";
  return fragment(said, code && said ? " " : "", code ? element("code", code) : "");
}

export function titled(said, title) {
  const made = element("span", said, "free");
  if (title) made.title = title;
  return made;
}

export const company = (row) => titled(row.company_name || row.company_id || "–", row.company_id);

export function outcomeOf(id) {
  const o = outcomes.find((known) => known.id === id) || { mark: "?", label: id };
  const box = element("span", undefined, "one-line");
  const mark = element("span", o.mark, "mark " + (o.meaning ? id : ""));
  mark.setAttribute("aria-hidden", "true");
  box.append(mark, o.label);
  return box;
}

const drawn = new Map();

// Whether what is drawn at `id` has to be drawn anew: its content is not `content`.
export function isNew(id, content) {
  const now = JSON.stringify(content);
  if (drawn.get(id) === now) return false;
  drawn.set(id, now);
  return true;
}

function headOf(columns) {
  const line = element("tr");
  for (const column of columns) {
    const cell = element("th", column.label, column.number ? "number" : "");
    cell.scope = "col";
    line.append(cell);
  }
  const head = element("thead");
  head.append(line);
  return head;
}

function lineOf(columns, row) {
  const line = element("tr");
  if (row.key) line.dataset.key = row.key;
  columns.forEach((column, n) => {
    const cell = element(n === 0 ? "th" : "td", undefined, column.number ? "number" : "");
    if (n === 0) cell.scope = "row";
    else cell.dataset.label = column.label;
    cell.append(column.cell(row));
    line.append(cell);
  });
  return line;
}

// The look of a wide table on a narrow screen must not take its meaning away.
function keepRoles(table) {
  table.setAttribute("role", "table");
  for (const group of [table.tHead, ...table.tBodies]) {
    group.setAttribute("role", "rowgroup");
    for (const line of group.rows) {
      line.setAttribute("role", "row");
      for (const cell of line.cells) {
        const role = { col: "columnheader", row: "rowheader" }[cell.scope] || "cell";
        cell.setAttribute("role", role);
      }
    }
  }
}

// Draws only what has changed, so that a selection and a screen reader's place stay. A column is
// {label, cell(row), number}; without rows there is `empty` to read.
export function fill(id, columns, rows, empty, wide) {
  if (!isNew(id, rows.length > 0 ? rows : empty)) return;
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
  body.append(...rows.map((row) => lineOf(columns, row)));
  table.append(headOf(columns), body);
  if (wide) keepRoles(table);
}
