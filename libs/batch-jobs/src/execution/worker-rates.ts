import type { Clock } from '@app/core';

/** What is less says more of the moment than of the model. */
const LEAST_ROWS = 8;
const LEAST_MS = 100;

/** Counts the rows that this worker answers, by the digest of the version. */
export class WorkerRates {
  private readonly answered = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  /** Begins to measure with the chunk's first answer, which a cold model had to be loaded for. */
  measure(digest: string): RateMeasure {
    const total = (more: number): number => {
      const rows = (this.answered.get(digest) ?? 0) + more;
      this.answered.set(digest, rows);
      return rows;
    };
    return new RateMeasure(total, this.clock);
  }
}

/** How fast a worker answers rows of a version while a chunk of it runs. Chunks that run beside it share the worker, and count. */
export class RateMeasure {
  private rows = 0;
  private sinceMs: number | undefined;

  constructor(
    private readonly total: (more: number) => number,
    private readonly clock: Clock,
  ) {}

  /** So many rows of the chunk were answered. */
  answer(rows: number): void {
    const all = this.total(rows);
    if (this.sinceMs !== undefined) return;
    this.rows = all;
    this.sinceMs = this.clock.monotonicMs();
  }

  /** Rows per second of the worker; undefined where there were too few to say. */
  read(): number | undefined {
    if (this.sinceMs === undefined) return undefined;
    const ms = this.clock.monotonicMs() - this.sinceMs;
    const rows = this.total(0) - this.rows;
    return rows >= LEAST_ROWS && ms >= LEAST_MS ? (rows * 1000) / ms : undefined;
  }
}
