// Reads Prometheus' text format and keeps the last minutes of what the page shows of it: rates and
// latencies are differences of counters, so that nothing is counted twice. No DOM.
import { durations, outcomes } from "./words.js";

// Family → [{labels, value}].
export function parseMetrics(all) {
  const families = new Map();
  for (const line of all.split("\n")) {
    const parts = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!parts) continue;
    const labels = {};
    for (const label of (parts[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      labels[label[1]] = label[2];
    if (!families.has(parts[1])) families.set(parts[1], []);
    families.get(parts[1]).push({ labels, value: Number(parts[3]) });
  }
  return families;
}

const total = (samples, wanted = () => true) =>
  samples.filter(wanted).reduce((sum, s) => sum + s.value, 0);

// What the page needs of the families, read at `at` seconds of any clock that never goes back.
export function sampleOf(families, at) {
  const of = (name) => families.get(name) || [];
  const sample = { at, outcomes: {}, buckets: {}, statuses: {} };
  const deliveries = of("attentive_gateway_deliveries_total");
  for (const o of outcomes)
    sample.outcomes[o.id] = total(deliveries, (s) => s.labels.outcome === o.id);
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
// bucket all that is known is its bound. Null when nothing was counted between the two samples.
export function quantile(q, from, to) {
  const counts = to.map(([le, n], i) => [le, n - (from && from[i] ? from[i][1] : 0)]);
  const all = counts.length ? counts[counts.length - 1][1] : 0;
  if (all <= 0) return null;
  let below = 0;
  let start = 0;
  for (const [le, n] of counts) {
    if (n >= q * all)
      return le === Infinity ? start : start + (le - start) * (q * all - below) / (n - below);
    below = n;
    start = le;
  }
  return start;
}

// The samples of the last `seconds`, forgotten when the gateway was started anew or the page slept.
export class History {
  samples = [];

  constructor(seconds) {
    this.seconds = seconds;
  }

  get last() {
    return this.samples[this.samples.length - 1];
  }

  add(sample) {
    const last = this.last;
    const restarted = last && outcomes.some((o) => sample.outcomes[o.id] < last.outcomes[o.id]);
    if (restarted || (last && sample.at - last.at > 30)) this.samples = [];
    this.samples.push(sample);
    while (sample.at - this.samples[0].at > this.seconds + 60) this.samples.shift();
  }

  // The oldest one that is no older than that.
  ago(seconds) {
    return this.samples.find((s) => this.last.at - s.at <= seconds + 0.5) || this.last;
  }
}
