/** The value below which a share of all values lies; undefined of none. */
export function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted.length === 0 ? undefined : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** The percentiles that a sample keeps instead of every latency. */
export function percentilesOf(values) {
  const at = (share) => percentile(values, share);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** The middle value, or the mean of the middle two. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}
