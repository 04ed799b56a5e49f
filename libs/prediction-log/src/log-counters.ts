/** Why rows were not written. */
export type DropReason = 'queue_full' | 'shutdown' | 'unencodable' | 'off';

/** What became of the rows of all recorded predictions, since the process began. */
export interface LogCounts {
  /** Rows that are in the table. */
  readonly written: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Rows that PostgreSQL refused, set aside in the table of rejects. */
  readonly rejected: number;
  /** Rows that the model's sampling left out. */
  readonly sampledOut: number;
  /** Attempts to write that failed as a whole, and were made again. */
  readonly failedFlushes: number;
  /** Attempts that succeeded. */
  readonly flushes: number;
  /** Time spent in those, in seconds. */
  readonly flushSeconds: number;
}

/** The books of one process: rows recorded = written + dropped + rejected + sampled out + those in the queue. */
export class LogCounters implements LogCounts {
  written = 0;
  rejected = 0;
  sampledOut = 0;
  failedFlushes = 0;
  flushes = 0;
  flushSeconds = 0;
  readonly dropped: Record<DropReason, number> = { queue_full: 0, shutdown: 0, unencodable: 0, off: 0 };

  /** What they say now. */
  read(): LogCounts {
    const { written, rejected, sampledOut, failedFlushes, flushes, flushSeconds, dropped } = this;
    return { written, dropped: { ...dropped }, rejected, sampledOut, failedFlushes, flushes, flushSeconds };
  }
}
