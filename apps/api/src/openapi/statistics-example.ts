/** Durations as they are summed up: how many, in all, and half and nearly all of the recent ones. */
const durations = (count: number, total_ms = 0, p50?: number, p99?: number) => ({
  ...{ count, total_ms, mean_ms: count === 0 ? null : Math.round((total_ms / count) * 1000) / 1000 },
  ...{ recent_count: p50 === undefined ? 0 : Math.min(count, 96), recent_p50_ms: p50 ?? null },
  ...{ recent_p99_ms: p99 ?? null, recent_max_ms: p99 ?? null },
});

/** `minilm` under load, as one look at it. */
export const MINILM_STATISTICS = {
  process: 1,
  executors: { concurrency: 2, running_batches: 2, restarts: 0 },
  cache: {
    ...{ hits: 5120, misses: 842, joins: 31, stores: 842, evictions: 0, expiries: 310 },
    ...{ entries: 532, bytes: 1531096, shared_hits: 0, shared_errors: 0, shared_timeouts: 0 },
  },
  versions: [
    {
      version: '1',
      batchable: true,
      batching_reason: 'Answers of rows run together and alone differ by 1.1e-7 at most; the tolerance is 0.0001.',
      queue: {
        limit_rows: 1024,
        online: { waiting_calls: 3, waiting_rows: 5, oldest_wait_ms: 7.412, waits: durations(731, 3203.6, 3.9, 18.2) },
        bulk: { waiting_calls: 0, waiting_rows: 0, oldest_wait_ms: 0, waits: durations(0) },
      },
      calls: { answered: 728, shed: 0, expired: 0, cancelled: 0, failed: 0, quarantined: 0 },
      batches: {
        ...{ running: 1, count: 402, rows: 837, mean_rows: 2.082, largest_rows: 8 },
        sizes: [{ rows: 1, batches: 214 }],
        kinds: [
          {
            ...{ priority: 'online', shape: 'text:32', waiting_rows: 5 },
            ...{ max_batch_rows: 7, per_row_ms: 2.612, per_batch_ms: 1.904 },
          },
        ],
      },
      executor: {
        runs: durations(402, 2951.9, 6.1, 24.7),
        ...{ compute_input_ms: 61.206, compute_infer_ms: 2731.44, compute_output_ms: 22.815, rows_per_ms: 0.341 },
      },
    },
  ],
};
