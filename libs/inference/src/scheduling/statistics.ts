import type { BatchVerdict } from '../tasks/batch-check';

/** Batches of one kind, as they were lately. */
export interface QueueStatistics {
  /** What its rows have in common, such as `online text:64`. */
  readonly name: string;
  readonly queuedRows: number;
  /** Most rows of its next batch. */
  readonly cap: number;
  /** Expected time of a batch: of each row, and once; absent before there were enough batches. In milliseconds. */
  readonly perRowMs?: number;
  readonly perBatchMs?: number;
}

/** The load of one version since it was first called. */
export interface VersionStatistics {
  readonly queuedRows: number;
  readonly runningBatches: number;
  /** Batches and rows that ended well. */
  readonly batches: number;
  readonly rows: number;
  /** How many batches there were of each number of rows. */
  readonly batchesByRows: Readonly<Record<number, number>>;
  /** Calls that were refused, whose deadline passed, whose caller left, and that failed otherwise. */
  readonly shed: number;
  readonly expired: number;
  readonly cancelled: number;
  readonly failed: number;
  /** Time that executors were busy with it, in milliseconds. */
  readonly executorMs: number;
  /** Rows per millisecond while rows waited; absent before there is an estimate. */
  readonly rowsPerMs?: number;
  /** Absent before the version was loaded. */
  readonly batching?: BatchVerdict;
  readonly queues: readonly QueueStatistics[];
}
