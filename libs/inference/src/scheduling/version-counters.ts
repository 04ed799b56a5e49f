import { type ErrorCode, isQuaysideError } from '@app/core';
import type { Executed } from '../tasks/task';
import type { Priority } from './batch-policy';
import { Durations } from './durations';
import type { CallCounts, RunCounts } from './statistics';

/** Counts of one version since it was loaded or first called: how its calls ended, what they waited, what ran. */
export class VersionCounters {
  /** From submission to the first run, or to the end of a call that never ran. */
  readonly waits: Readonly<Record<Priority, Durations>> = { online: new Durations(), bulk: new Durations() };
  /** From handing a batch to the executor until it came back, also of those that failed. */
  readonly runs = new Durations();
  private readonly calls = { answered: 0, shed: 0, expired: 0, cancelled: 0, failed: 0, quarantined: 0 };
  private readonly ran = { batches: 0, rows: 0, inputMs: 0, inferMs: 0, outputMs: 0 };
  private readonly batchesByRows = new Map<number, number>();

  /** A call was refused at the door. */
  refused(): void {
    this.calls.shed += 1;
  }

  /** A call ended; without an error it was answered. */
  ended(error: unknown): void {
    if (error === undefined) this.calls.answered += 1;
    else this.calls[countOf(isQuaysideError(error) ? error.code : 'internal')] += 1;
  }

  /** A batch came back well. */
  batchDone(rows: number, { inputMs, inferMs, outputMs }: Omit<Executed, 'outputs'>): void {
    this.ran.batches += 1;
    this.ran.rows += rows;
    this.ran.inputMs += inputMs;
    this.ran.inferMs += inferMs;
    this.ran.outputMs += outputMs;
    this.batchesByRows.set(rows, (this.batchesByRows.get(rows) ?? 0) + 1);
  }

  statistics(nowMs: number): CallCounts & RunCounts {
    return {
      ...this.calls,
      ...this.ran,
      batchesByRows: Object.fromEntries(this.batchesByRows),
      runs: this.runs.statistics(nowMs),
    };
  }
}

function countOf(code: ErrorCode): keyof CallCounts {
  if (code === 'deadline_exceeded') return 'expired';
  if (code === 'client_closed') return 'cancelled';
  return code === 'input_quarantined' ? 'quarantined' : 'failed';
}
