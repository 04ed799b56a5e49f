import { type ModelVersion, versionKey } from '@app/model-registry';
import type { BatchVerdict } from '../tasks/batch-check';
import type { Priority } from './batch-policy';
import { CallQueue } from './call-queue';
import { TokenLength } from './run-shape';
import { DrainRate } from './service-times';

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

/** Queues of one version that are kept; shapes come from clients, so their number must be bounded. */
const MOST_QUEUES = 64;

/** What is known of one version: its queues, what was learnt, and counts since it was first called. */
export class VersionLoad {
  readonly key: string;
  readonly queuedRows: Record<Priority, number> = { online: 0, bulk: 0 };
  readonly tokenLength = new TokenLength();
  readonly drainRate = new DrainRate();
  readonly counts = { batches: 0, rows: 0, shed: 0, expired: 0, cancelled: 0, failed: 0 };
  readonly batchesByRows = new Map<number, number>();
  /** Rows in the scheduler, waiting or running. */
  rows = 0;
  executorMs = 0;
  batchesRunning = 0;
  /** Executor time that it got, on the scale that all versions share. */
  servedMs = 0;
  /** Whether its rows may run together; undefined before it was loaded. */
  verdict: BatchVerdict | undefined;
  loading = false;
  private readonly queues = new Map<string, CallQueue>();

  constructor(readonly version: ModelVersion) {
    this.key = versionKey(version);
  }

  get isBatchable(): boolean {
    return this.verdict?.batchable === true;
  }

  /** The queue for calls of one shape; it is made when there is none. */
  queue(priority: Priority, shapeKey: string): CallQueue {
    const name = `${priority} ${shapeKey}`;
    const known = this.queues.get(name);
    if (known) return known;
    const made = new CallQueue(this, priority, name);
    if (this.queues.size >= MOST_QUEUES) this.forgetOne();
    this.queues.set(name, made);
    return made;
  }

  all(): Iterable<CallQueue> {
    return this.queues.values();
  }

  statistics(): VersionStatistics {
    const { rowsPerMs } = this.drainRate;
    return {
      queuedRows: this.queuedRows.online + this.queuedRows.bulk,
      runningBatches: this.batchesRunning,
      ...this.counts,
      batchesByRows: Object.fromEntries(this.batchesByRows),
      executorMs: this.executorMs,
      ...(rowsPerMs !== undefined && { rowsPerMs }),
      ...(this.verdict && { batching: this.verdict }),
      queues: Array.from(this.queues.values(), (queue) => ({
        name: queue.name,
        queuedRows: queue.rows,
        cap: queue.cap(),
        ...queue.times.estimate(),
      })),
    };
  }

  private forgetOne(): void {
    for (const [name, queue] of this.queues) if (queue.isIdle) return void this.queues.delete(name);
  }
}
