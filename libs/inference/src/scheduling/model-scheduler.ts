import { type CallContext, type Clock, QuaysideError } from '@app/core';
import { type ModelVersion, versionKey } from '@app/model-registry';
import type { BatchResult, Executor } from '../execution/executor';
import type { TaskInput, TaskOutput } from '../tasks/task';
import { joinPieces, splitCall } from './pieces';
import { clientClosed, withinDeadline } from './within-deadline';

/** One call for one version, with its input already made tensors. */
export interface ScheduledCall {
  readonly version: ModelVersion;
  readonly input: TaskInput;
  readonly context: CallContext;
}

/** What a call gave, and where its time went, in milliseconds. */
export interface ScheduledResult {
  readonly output: TaskOutput;
  /** From submission until a process began with its first piece. */
  readonly queueMs: number;
  /** Inside executors, summed over its pieces. */
  readonly computeMs: number;
  /** Rows of the largest batch that a piece of it ran in. */
  readonly batchSize: number;
}

/** Bounds of the work that may wait. */
export interface SchedulerOptions {
  /** Rows of one version that may be in the scheduler at once. */
  readonly queueLimitRows: number;
  /** Bytes of inputs of all versions that may be in the scheduler at once. */
  readonly queueLimitBytes: number;
  /** Rows of one run; a larger call goes in pieces. */
  readonly pieceRows: number;
}

/** What is known of one version's load. */
interface VersionLoad {
  rows: number;
  /** Recent executor time of a row, in milliseconds; 0 until there is one. */
  rowMs: number;
}

/** Weight of the newest observation in a moving average. */
const NEWEST = 0.2;

/**
 * Brings calls to the executor, first come, first served, a piece of one call at a time. Each call settles exactly
 * once: with its output, with its failure, at its deadline, or when its caller leaves. What nobody waits for any more
 * is not begun. Refuses with overloaded beyond its bounds.
 */
export class ModelScheduler {
  private readonly loads = new Map<string, VersionLoad>();
  private bytes = 0;
  private calls = 0;
  private readonly idle: (() => void)[] = [];

  constructor(
    private readonly executor: Executor,
    private readonly clock: Clock,
    private readonly options: SchedulerOptions,
  ) {}

  /** Throws overloaded, deadline_exceeded, client_closed, and what `Executor.run` throws. */
  async submit(call: ScheduledCall): Promise<ScheduledResult> {
    const load = this.loadOf(call.version);
    const sizeBytes = bytesOf(call.input);
    this.admit(call, load, sizeBytes);
    load.rows += call.input.rows;
    this.bytes += sizeBytes;
    this.calls += 1;
    try {
      const result = await this.runWithinDeadline(call);
      load.rowMs += NEWEST * (result.computeMs / call.input.rows - load.rowMs);
      return result;
    } finally {
      load.rows -= call.input.rows;
      this.bytes -= sizeBytes;
      this.calls -= 1;
      if (load.rows === 0 && load.rowMs === 0) this.loads.delete(versionKey(call.version));
      if (this.calls === 0) this.idle.splice(0).forEach((resolve) => resolve());
    }
  }

  /** Rows of one version that are in the scheduler, waiting or running. */
  rowsOf(version: ModelVersion): number {
    return this.loads.get(versionKey(version))?.rows ?? 0;
  }

  /** Forgets what was learnt of a version that is no longer served. */
  forget(version: ModelVersion): void {
    this.loads.delete(versionKey(version));
  }

  /** Resolves when no call is left. */
  whenIdle(): Promise<void> {
    return this.calls === 0 ? Promise.resolve() : new Promise((resolve) => this.idle.push(resolve));
  }

  private loadOf(version: ModelVersion): VersionLoad {
    const key = versionKey(version);
    const load = this.loads.get(key) ?? { rows: 0, rowMs: 0 };
    this.loads.set(key, load);
    return load;
  }

  private admit(call: ScheduledCall, load: VersionLoad, sizeBytes: number): void {
    if (call.context.signal.aborted) throw clientClosed();
    const { queueLimitRows, queueLimitBytes } = this.options;
    if (load.rows + call.input.rows <= queueLimitRows && this.bytes + sizeBytes <= queueLimitBytes) return;
    const waitMs = (load.rows * load.rowMs) / this.executor.status().concurrency;
    const message = `Too much work is waiting for model "${call.version.model}". Try again later.`;
    throw new QuaysideError('overloaded', message, { retryAfterMs: Math.min(Math.max(waitMs, 1000), 30_000) });
  }

  private async runWithinDeadline(call: ScheduledCall): Promise<ScheduledResult> {
    const submittedAtMs = this.clock.monotonicMs();
    let startedAtMs: number | undefined;
    const onStart = (): void => void (startedAtMs ??= this.clock.monotonicMs());
    const results = await withinDeadline(call.context, this.clock, {
      begin: (gone) => this.runPieces(call, gone, onStart),
      late: () => deadlineError(call.version, startedAtMs === undefined ? 'queued' : 'executing'),
    });
    return {
      output: joinPieces(results.map((result) => result.outputs[0])),
      queueMs: (startedAtMs ?? submittedAtMs) - submittedAtMs,
      computeMs: results.reduce((sum, { inputMs, inferMs, outputMs }) => sum + inputMs + inferMs + outputMs, 0),
      batchSize: results.length === 1 ? call.input.rows : this.options.pieceRows,
    };
  }

  /** Runs the pieces of one call, as many at once as the pool runs batches; the first failure drops those not begun. */
  private async runPieces(call: ScheduledCall, signal: AbortSignal, onStart: () => void): Promise<BatchResult[]> {
    const pieces = splitCall(call.input, this.options.pieceRows);
    const failed = new AbortController();
    const anySignal = pieces.length > 1 ? AbortSignal.any([signal, failed.signal]) : signal;
    const results: BatchResult[] = new Array<BatchResult>(pieces.length);
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < pieces.length) {
        const index = next++;
        results[index] = await this.executor.run({
          version: call.version,
          calls: [pieces[index]],
          signal: anySignal,
          traceparent: call.context.traceparent,
          onStart,
        });
      }
    };
    const lanes = Array.from({ length: Math.min(pieces.length, this.executor.status().concurrency) }, lane);
    try {
      await Promise.all(lanes);
    } catch (error) {
      next = pieces.length;
      failed.abort(error);
      throw error;
    }
    return results;
  }
}

function bytesOf(input: TaskInput): number {
  return Object.values(input.tensors).reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0);
}

function deadlineError(version: ModelVersion, stage: 'queued' | 'executing'): QuaysideError {
  const where = stage === 'queued' ? 'before the model was free' : 'while the model was running';
  return new QuaysideError('deadline_exceeded', `The deadline passed ${where} ("${version.model}").`, { stage });
}
