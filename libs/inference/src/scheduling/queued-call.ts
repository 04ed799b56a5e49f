import type { Timer } from '@app/core';
import type { TaskOutput } from '../tasks/task';
import { taskOf } from '../tasks/tasks';
import type { CallQueue, Piece, RunningBatch } from './call-queue';
import { joinPieces } from './pieces';
import type { RunShape } from './run-shape';
import type { ScheduledCall, ScheduledResult } from './scheduled-call';

/** What a call is made of, and who waits for it. */
interface QueuedCallParts {
  readonly call: ScheduledCall;
  readonly shape: RunShape;
  readonly queue: CallQueue;
  readonly submittedAtMs: number;
  readonly resolve: (result: ScheduledResult) => void;
  readonly reject: (error: unknown) => void;
}

/** What one batch says of every piece in it. */
export interface RunTotals {
  readonly computeMs: number;
  readonly batchRows: number;
}

/** A call from its submission until it settles, once: gathers what its pieces give, and counts how it ended. */
export class QueuedCall {
  timer?: Timer;
  onLeave?: () => void;
  /** Rows that were given to batches. */
  rowsTaken = 0;
  /** Batches that run rows of it. */
  readonly running = new Set<RunningBatch>();
  private rowsDone = 0;
  /** What its pieces gave, by their first row. */
  private readonly outputs = new Map<number, TaskOutput>();
  private startedAtMs: number | undefined;
  private computeMs = 0;
  /** Rows of the largest batch that rows of it were in. */
  private largestBatch = 0;
  private settled = false;

  constructor(private readonly parts: QueuedCallParts) {}

  get call(): ScheduledCall {
    return this.parts.call;
  }

  get shape(): RunShape {
    return this.parts.shape;
  }

  get queue(): CallQueue {
    return this.parts.queue;
  }

  get submittedAtMs(): number {
    return this.parts.submittedAtMs;
  }

  get isSettled(): boolean {
    return this.settled;
  }

  get hasStarted(): boolean {
    return this.startedAtMs !== undefined;
  }

  get isDone(): boolean {
    return this.rowsDone === this.call.input.rows;
  }

  /** A process begins with rows of it. */
  begins(nowMs: number): void {
    if (this.settled || this.hasStarted) return;
    this.startedAtMs = nowMs;
    this.countWait(nowMs);
  }

  /** Takes what one of its pieces gave. */
  take({ from, input }: Piece, output: TaskOutput, { computeMs, batchRows }: RunTotals): void {
    const { version } = this.call;
    if (version.text) {
      this.queue.load.tokenLength.observe(input, taskOf(version.task).usage(output)?.tokens ?? 0);
    }
    this.outputs.set(from, output);
    this.rowsDone += input.rows;
    this.computeMs += computeMs;
    this.largestBatch = Math.max(this.largestBatch, batchRows);
  }

  /** Ends it with an error, or with what its pieces gave. Only the first end counts. */
  end(error: unknown, nowMs: number): void {
    if (this.settled) return;
    this.settled = true;
    if (!this.hasStarted) this.countWait(nowMs);
    if (error === undefined) this.answer();
    else this.refuse(error);
  }

  private answer(): void {
    const { outputs, submittedAtMs, startedAtMs = submittedAtMs, computeMs, largestBatch: batchSize } = this;
    try {
      const inOrder = [...outputs].sort(([a], [b]) => a - b).map(([, output]) => output);
      this.parts.resolve({ output: joinPieces(inOrder), queueMs: startedAtMs - submittedAtMs, computeMs, batchSize });
      this.queue.load.counters.ended(undefined);
    } catch (error) {
      this.refuse(error);
    }
  }

  private refuse(error: unknown): void {
    this.queue.load.counters.ended(error);
    this.parts.reject(error);
  }

  private countWait(untilMs: number): void {
    const { load, priority } = this.queue;
    load.counters.waits[priority].observe(untilMs - this.submittedAtMs, untilMs);
  }
}
