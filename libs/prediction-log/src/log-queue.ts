import type { LogRow } from './log-row';

/** How much may wait. */
export interface LogQueueLimits {
  readonly rows: number;
  readonly bytes: number;
}

/** Of what may wait, this share is for rows of failed calls alone. */
const RESERVED_FOR_FAILED = 0.1;

interface Queued {
  readonly row: LogRow;
  readonly sinceMs: number;
}

/**
 * Rows that wait to be written, in order: bounded in rows and in bytes. What does not fit is refused, so the newest are
 * lost. Rows that are being written stay in it, and count, until they are settled.
 */
export class LogQueue {
  private readonly queued: Queued[] = [];
  private heldBytes = 0;

  constructor(private readonly limits: LogQueueLimits) {}

  get rows(): number {
    return this.queued.length;
  }

  get bytes(): number {
    return this.heldBytes;
  }

  /** Since when the oldest row waits; undefined: none does. */
  get oldestSinceMs(): number | undefined {
    return this.queued[0]?.sinceMs;
  }

  /** Whether a row of no size would be refused, so that it need not be made. */
  isFull({ failed }: Pick<LogRow, 'failed'>): boolean {
    return !this.hasRoom({ failed, bytes: 0 });
  }

  /** Takes a row, or refuses it. */
  offer(row: LogRow, nowMs: number): boolean {
    if (!this.hasRoom(row)) return false;
    this.queued.push({ row, sinceMs: nowMs });
    this.heldBytes += row.bytes;
    return true;
  }

  /** The oldest rows, at most so many and so many bytes, but at least one where any waits. */
  head(most: LogQueueLimits): readonly LogRow[] {
    const rows: LogRow[] = [];
    let bytes = 0;
    for (const { row } of this.queued) {
      bytes += row.bytes;
      if (rows.length === most.rows || (rows.length > 0 && bytes > most.bytes)) break;
      rows.push(row);
    }
    return rows;
  }

  /** Lets go of the oldest `count` rows. */
  settle(count: number): void {
    for (const { row } of this.queued.splice(0, count)) this.heldBytes -= row.bytes;
  }

  private hasRoom({ failed, bytes }: Pick<LogRow, 'failed' | 'bytes'>): boolean {
    const share = failed ? 1 : 1 - RESERVED_FOR_FAILED;
    const { limits } = this;
    return this.rows + 1 <= limits.rows * share && this.heldBytes + bytes <= limits.bytes * share;
  }
}
