// Numbers, spans and days as the viewer's own language writes them. No DOM.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const rounded = (n, digits) => n.toLocaleString(undefined, { maximumFractionDigits: digits });

export const number = (n) => whole.format(n);
export const signed = (n) => (n > 0 ? "+" : n < 0 ? "−" : "") + number(Math.abs(n));
export const rate = (n) => (n >= 100 ? number(n) : rounded(n, n >= 10 ? 1 : 2));
export const share = (part, of) => (of > 0 ? rounded(100 * part / of, 1) + " %" : "");

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit += 1;
  }
  return rounded(n, unit && n < 100 ? 1 : 0) + " " + units[unit];
}

export function span(seconds) {
  if (seconds === null || seconds === undefined || !isFinite(seconds)) return "–";
  if (seconds < 0.001) return (seconds * 1e3).toFixed(2) + " ms";
  if (seconds < 1) return (seconds * 1e3).toPrecision(seconds < 0.1 ? 2 : 3) + " ms";
  if (seconds < 60) return (seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)) + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min";
  const minutes = Math.floor(seconds % 3600 / 60);
  if (seconds < 172800)
    return Math.floor(seconds / 3600) + " h" + (minutes ? " " + minutes + " min" : "");
  return Math.floor(seconds / 86400) + " days";
}

export const shortDay = (day) => new Date(day + "T12:00:00")
  .toLocaleDateString(undefined, { day: "numeric", month: "short" });

// The newest last, as "2026-01-31".
export function lastDays(count) {
  const today = Date.now();
  return Array.from({ length: count }, (_, n) =>
    new Date(today - (count - 1 - n) * 86400000).toISOString().slice(0, 10));
}
