/** Durations of one kind: since the start, and lately. */
export interface DurationStatistics {
  readonly count: number;
  readonly totalMs: number;
  /** Of those in the last minute, at most the newest 512; absent where there were none. */
  readonly recent?: RecentDurations;
}

/** How durations were spread lately, in milliseconds. */
export interface RecentDurations {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const RECENT_MS = 60_000;
const KEPT = 512;

/** Counts durations, and keeps the newest. To count one costs no more than to write two numbers. */
export class Durations {
  private readonly values: number[] = [];
  private readonly times: number[] = [];
  private count = 0;
  private totalMs = 0;

  observe(durationMs: number, nowMs: number): void {
    const at = this.count % KEPT;
    this.values[at] = durationMs;
    this.times[at] = nowMs;
    this.count += 1;
    this.totalMs += durationMs;
  }

  statistics(nowMs: number): DurationStatistics {
    const { count, totalMs } = this;
    const recent = this.values.filter((_, at) => this.times[at] > nowMs - RECENT_MS).sort((a, b) => a - b);
    return { count, totalMs, ...(recent.length > 0 && { recent: spreadOf(recent) }) };
  }
}

function spreadOf(sorted: readonly number[]): RecentDurations {
  const rank = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1];
  return { count: sorted.length, p50Ms: rank(0.5), p99Ms: rank(0.99), maxMs: rank(1) };
}
