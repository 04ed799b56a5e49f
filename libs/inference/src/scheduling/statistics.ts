import type { BatchVerdict } from '../tasks/batch-check';
import type { Priority } from './batch-policy';
import type { DurationStatistics } from './durations';

/** How the calls of a version ended. */
export interface CallCounts {
  readonly answered: number;
  /** Refused at once: the queue was full, or the answer could not have come in time. */
  readonly shed: number;
  /** The deadline passed, or the model's own hard timeout. */
  readonly expired: number;
  /** The caller left. */
  readonly cancelled: number;
  readonly failed: number;
  /** Refused because the same input had killed two processes. */
  readonly quarantined: number;
}

/** What ran for a version. */
export interface RunCounts {
  /** Batches that ended well, and their rows. */
  readonly batches: number;
  readonly rows: number;
  /** How many batches there were of each number of rows. */
  readonly batchesByRows: Readonly<Record<number, number>>;
  /** Time that executors were busy with each batch, as this process saw it; also of batches that failed. */
  readonly runs: DurationStatistics;
  /** Time inside executors, as they say: making inputs, running the model, shaping outputs. In milliseconds. */
  readonly inputMs: number;
  readonly inferMs: number;
  readonly outputMs: number;
}

/** The calls of one priority that wait for their first or next run. */
export interface WaitingStatistics {
  readonly calls: number;
  readonly rows: number;
  /** How long the oldest of them has waited, in milliseconds; 0 when none waits. */
  readonly oldestMs: number;
  /** What calls waited until they ran, or until they ended without. */
  readonly waits: DurationStatistics;
}

/** Batches of one kind, as they were lately. */
export interface QueueStatistics {
  readonly priority: Priority;
  /** What its rows have in common, such as `text:64`. */
  readonly shape: string;
  readonly queuedRows: number;
  /** Most rows of its next batch. */
  readonly cap: number;
  /** Expected time of a batch: of each row, and once; absent before there were enough batches. In milliseconds. */
  readonly perRowMs?: number;
  readonly perBatchMs?: number;
}

/** The load of one version in this process since it was loaded, or first called. */
export interface VersionStatistics extends CallCounts, RunCounts {
  /** Rows that wait, and what they are made of. */
  readonly queuedRows: number;
  readonly waiting: Readonly<Record<Priority, WaitingStatistics>>;
  /** Rows that may wait or run at once; more are refused. */
  readonly limitRows: number;
  readonly runningBatches: number;
  /** Rows per millisecond while rows waited; absent before there is an estimate. */
  readonly rowsPerMs?: number;
  /** Absent before the version was loaded. */
  readonly batching?: BatchVerdict;
  readonly queues: readonly QueueStatistics[];
}
