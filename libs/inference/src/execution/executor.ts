import type { Signature } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import type { BatchVerdict } from '../tasks/batch-check';
import type { Executed, TaskInput } from '../tasks/task';

/** Calls that run together on one process. */
export interface Batch {
  readonly version: ModelVersion;
  readonly calls: readonly TaskInput[];
  /** Aborted when nobody waits for the batch any more: it is dropped if it has not begun, else its result is. */
  readonly signal: AbortSignal;
  readonly traceparent: string;
  /** Called once, when a process begins to run the batch; again if it is retried. */
  readonly onStart?: () => void;
  /** Its call was in a batch whose process died. It runs while no other suspect does, and is not tried again. */
  readonly suspect?: boolean;
}

/** What a batch gave, measured in the process that ran it. */
export type BatchResult = Executed;

/**
 * How a batch of a version would fare now: it would begin at once (`free`), wait for a process that holds the version
 * (`busy`), or wait for a load (`absent`).
 */
export type Room = 'free' | 'busy' | 'absent';

/** Who has batches for an executor. */
export interface WorkSource {
  /** A process may have become free. */
  onFree(): void;
  /** Whether work waits for the version of this key, so that it must stay in memory. */
  hasWork(key: string): boolean;
}

/** A version that can run. */
export interface LoadedModel {
  /** As the engine saw it. */
  readonly signature: Signature;
  /** How much memory one copy took, in bytes. */
  readonly residentBytes: number;
  /** Whether rows of several calls may run together; found when its contents were first opened. */
  readonly batching: BatchVerdict;
}

/** One process of the pool, as seen from outside. */
export interface SlotStatus {
  readonly state: 'starting' | 'loading' | 'idle' | 'busy' | 'draining' | 'dead';
  /** Process id; absent once it is dead. */
  readonly pid?: number;
  /** Keys of the versions that it holds (see `versionKey`). */
  readonly holds: readonly string[];
  /** Key of the version that it runs or loads. */
  readonly doing?: string;
}

/** The whole pool. */
export interface ExecutorStatus {
  readonly slots: readonly SlotStatus[];
  /** How many batches may run at once. */
  readonly concurrency: number;
  readonly running: number;
  readonly waiting: number;
  /** Resident versions, least recently used first. */
  readonly resident: readonly { readonly key: string; readonly bytes: number; readonly pinned: boolean }[];
  /** Processes replaced since the start. */
  readonly restarts: number;
}

/** Runs loaded model versions, a batch per call. A batch settles once: an output per call, in order, or one error. */
export abstract class Executor {
  /**
   * Resolves when the version can run; joins a load already under way. A digest that was never seen is first opened in
   * a throwaway process. Makes room by evicting the least recently used version that is idle and not pinned.
   * Throws model_load_failed, model_capacity, model_unavailable (crash loop), shutting_down.
   */
  abstract load(version: ModelVersion): Promise<LoadedModel>;
  /**
   * Runs the batch on a process that holds the version, and loads it there first if none does. Takes ownership of the
   * batch's buffers. A batch that cannot be divided, and whose process dies, is run once more, on another; one of several calls
   * or rows fails with executor_crashed at once, since only its caller knows who still waits: each row may be run again as a suspect.
   * Throws what the task throws, inference_failed, executor_crashed, input_quarantined (one of the rows killed two
   * processes lately), deadline_exceeded (the model's hard timeout), model_unavailable (crash loop), model_load_failed,
   * model_capacity, client_closed (the signal), shutting_down.
   */
  abstract run(batch: Batch): Promise<BatchResult>;
  /**
   * How a batch of the version would fare now. Where it is `busy`, a further copy is loaded if there is a process and
   * memory for one.
   */
  abstract room(version: ModelVersion): Room;
  /** Sets who is told whenever a process may have become free, and asked whose version must stay. */
  abstract serve(source: WorkSource): void;
  /** Waits for the version's running batches, then frees its memory. Unknown versions are fine. */
  abstract unload(version: ModelVersion): Promise<void>;
  /** How many processes are healthy and busy, and what each holds; no I/O. */
  abstract status(): ExecutorStatus;
  /** Refuses new work, waits for what runs, and ends every process it owns; safe to call twice. */
  abstract close(): Promise<void>;
}
