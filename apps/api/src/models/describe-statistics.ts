import type {
  CacheStatistics,
  DurationStatistics,
  ModelStatistics,
  VersionFigures,
  VersionStatistics,
  WaitingStatistics,
} from '@app/inference';
import type { FeatureStatistics } from '@app/feature-store';
import type { FeatureJoinSummary } from './feature-join.dto';
import type {
  BatchSummary,
  CacheDescription,
  DurationSummary,
  ModelStatisticsDescription,
  VersionStatisticsDescription,
  WaitingSummary,
} from './model-statistics.dto';

/** How a model fares, as clients see it; `process` is the number of the HTTP process that answers. */
export function describeStatistics(
  { executors, cache, versions }: ModelStatistics,
  process: number,
): ModelStatisticsDescription {
  const { concurrency, running, restarts } = executors;
  return {
    process,
    executors: { concurrency, running_batches: running, restarts },
    cache: describeCache(cache),
    versions: versions.map(describeVersion),
  };
}

function describeCache({ sharedHits, sharedErrors, sharedTimeouts, ...own }: CacheStatistics): CacheDescription {
  return { ...own, shared_hits: sharedHits, shared_errors: sharedErrors, shared_timeouts: sharedTimeouts };
}

function describeVersion(statistics: VersionFigures): VersionStatisticsDescription {
  const { version, batching, waiting, limitRows, features } = statistics;
  const { answered, shed, expired, cancelled, failed, quarantined } = statistics;
  return {
    version,
    batchable: batching?.batchable ?? null,
    batching_reason: batching?.reason ?? '',
    queue: {
      limit_rows: limitRows,
      online: describeWaiting(waiting.online),
      bulk: describeWaiting(waiting.bulk),
    },
    calls: { answered, shed, expired, cancelled, failed, quarantined },
    batches: describeBatches(statistics),
    executor: {
      runs: describeDurations(statistics.runs),
      compute_input_ms: rounded(statistics.inputMs),
      compute_infer_ms: rounded(statistics.inferMs),
      compute_output_ms: rounded(statistics.outputMs),
      rows_per_ms: roundedIfAny(statistics.rowsPerMs),
    },
    ...(features && { features: describeJoin(features) }),
  };
}

function describeJoin({ sources, statuses, timeouts, degradedCalls }: FeatureStatistics): FeatureJoinSummary {
  return { sources: { ...sources }, statuses: { ...statuses }, timeouts, degraded_calls: degradedCalls };
}

function describeWaiting({ calls, rows, oldestMs, waits }: WaitingStatistics): WaitingSummary {
  return {
    waiting_calls: calls,
    waiting_rows: rows,
    oldest_wait_ms: rounded(oldestMs),
    waits: describeDurations(waits),
  };
}

function describeBatches(statistics: VersionStatistics): BatchSummary {
  const { runningBatches, batches, rows, batchesByRows, queues } = statistics;
  const sizes = Object.entries(batchesByRows).map(([size, count]) => ({ rows: Number(size), batches: count }));
  return {
    running: runningBatches,
    count: batches,
    rows,
    mean_rows: meanOf(rows, batches),
    largest_rows: Math.max(0, ...sizes.map((size) => size.rows)),
    sizes: sizes.sort((a, b) => a.rows - b.rows),
    kinds: queues.map(({ priority, shape, queuedRows, cap, perRowMs, perBatchMs }) => ({
      priority,
      shape,
      waiting_rows: queuedRows,
      max_batch_rows: cap,
      per_row_ms: roundedIfAny(perRowMs),
      per_batch_ms: roundedIfAny(perBatchMs),
    })),
  };
}

function describeDurations({ count, totalMs, recent }: DurationStatistics): DurationSummary {
  return {
    count,
    total_ms: rounded(totalMs),
    mean_ms: meanOf(totalMs, count),
    recent_count: recent?.count ?? 0,
    recent_p50_ms: roundedIfAny(recent?.p50Ms),
    recent_p99_ms: roundedIfAny(recent?.p99Ms),
    recent_max_ms: roundedIfAny(recent?.maxMs),
  };
}

function meanOf(total: number, count: number): number | null {
  return count === 0 ? null : rounded(total / count);
}

function roundedIfAny(value: number | undefined): number | null {
  return value === undefined ? null : rounded(value);
}

/** Microseconds are enough. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
