/** How long a batch takes: `perRowMs` for each of its rows, and `perBatchMs` once. */
export interface ServiceTime {
  readonly perRowMs: number;
  readonly perBatchMs: number;
}

/** How long a batch of so many rows takes; 0 before there is an estimate. */
export function expectedMs(line: ServiceTime | undefined, rows: number): number {
  return line ? line.perRowMs * rows + line.perBatchMs : 0;
}

/** The most rows of a batch that takes no longer; Infinity where rows cost nothing, or nothing is known. */
export function rowsWithin(line: ServiceTime | undefined, ms: number): number {
  if (!line || line.perRowMs === 0) return Infinity;
  return Math.max(0, Math.floor((ms - line.perBatchMs) / line.perRowMs));
}

/** So many batches an estimate rests on, and at least so many it needs. */
const KEPT = 50;
const NEEDED = 5;

/** Recent batches of one queue, and the line through them: time = `perRowMs` × rows + `perBatchMs`, by least squares. */
export class ServiceTimes {
  private readonly rows: number[] = [];
  private readonly times: number[] = [];
  private next = 0;
  private line: ServiceTime | undefined;

  /** Counts a batch. */
  observe(rows: number, serviceMs: number): void {
    this.rows[this.next] = rows;
    this.times[this.next] = serviceMs;
    this.next = (this.next + 1) % KEPT;
    this.line = undefined;
  }

  /** Undefined before there were enough batches. */
  estimate(): ServiceTime | undefined {
    if (this.rows.length < NEEDED) return undefined;
    return (this.line ??= lineThrough(this.rows, this.times));
  }
}

/** Neither part of a time is negative, whatever the noise. */
function lineThrough(rows: readonly number[], times: readonly number[]): ServiceTime {
  const count = rows.length;
  let [sumRows, sumTimes, sumSquares, sumProducts] = [0, 0, 0, 0];
  for (let at = 0; at < count; at += 1) {
    sumRows += rows[at];
    sumTimes += times[at];
    sumSquares += rows[at] * rows[at];
    sumProducts += rows[at] * times[at];
  }
  const spread = count * sumSquares - sumRows * sumRows;
  if (spread === 0) return { perRowMs: sumTimes / sumRows, perBatchMs: 0 };
  const perRowMs = (count * sumProducts - sumRows * sumTimes) / spread;
  if (perRowMs <= 0) return { perRowMs: 0, perBatchMs: sumTimes / count };
  const perBatchMs = (sumTimes - perRowMs * sumRows) / count;
  return perBatchMs < 0 ? { perRowMs: sumProducts / sumSquares, perBatchMs: 0 } : { perRowMs, perBatchMs };
}

/** How much an older interval counts when a batch ends. */
const OLDER = 0.95;
const NEEDED_INTERVALS = 5;

/** How fast a version's rows are done while others wait: that is its share of the executors, whatever else they run. */
export class DrainRate {
  private rows = 0;
  private ms = 0;
  private intervals = 0;
  private sinceMs: number | undefined;

  /** A batch ended; `moreWait`: rows of the version still wait. */
  batchEnded(rows: number, moreWait: boolean, nowMs: number): void {
    if (this.sinceMs !== undefined) {
      this.rows = this.rows * OLDER + rows;
      this.ms = this.ms * OLDER + (nowMs - this.sinceMs);
      this.intervals += 1;
    }
    this.sinceMs = moreWait ? nowMs : undefined;
  }

  /** Rows that waited have left without a run: until the next batch ends, time says nothing about the executors. */
  waitEnded(): void {
    this.sinceMs = undefined;
  }

  /** Undefined before there were enough intervals. */
  get rowsPerMs(): number | undefined {
    return this.intervals >= NEEDED_INTERVALS && this.ms > 0 ? this.rows / this.ms : undefined;
  }
}
