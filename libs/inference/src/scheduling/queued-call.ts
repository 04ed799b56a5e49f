import { QuaysideError, type Timer, isQuaysideError } from '@app/core';
import type { TaskInput, TaskOutput } from '../tasks/task';
import { taskOf } from '../tasks/tasks';
import type { Priority } from './batch-policy';
import { joinPieces, rowsOfCall } from './pieces';
import type { RunShape, TokenLength } from './run-shape';
import type { ScheduledCall, ScheduledResult } from './scheduled-call';
import type { VersionCounters } from './version-counters';

/** Rows of one call in one batch. */
export interface Piece {
  readonly owner: QueuedCall;
  readonly from: number;
  readonly input: TaskInput;
  /** Why it runs by itself: its batch failed, or the process of its batch died. */
  readonly rerun?: 'failed' | 'suspect';
}

/** Pieces that run together, until `abandon` says that nobody waits for any of them. */
export interface PiecesRun {
  readonly pieces: readonly Piece[];
  readonly abandon: AbortController;
}

/** What is learnt of a version from each of its calls. */
interface VersionLessons {
  readonly tokenLength: TokenLength;
  readonly counters: VersionCounters;
}

/** What a call is made of, and who waits for it. */
interface QueuedCallParts {
  readonly call: ScheduledCall;
  readonly shape: RunShape;
  readonly priority: Priority;
  readonly lessons: VersionLessons;
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
  /** Ends it at its deadline. */
  timer?: Timer;
  /** Ends it when its caller leaves. */
  onLeave?: () => void;
  /** Told once, when it has settled. */
  onEnd?: () => void;
  /** Rows that were given to batches. */
  rowsTaken = 0;
  /** Batches that run rows of it. */
  readonly running = new Set<PiecesRun>();
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
      this.parts.lessons.tokenLength.observe(input, taskOf(version.task).usage(output)?.tokens ?? 0);
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
    this.leave();
  }

  private leave(): void {
    this.timer?.cancel();
    if (this.onLeave) this.call.context.signal.removeEventListener('abort', this.onLeave);
    this.onEnd?.();
  }

  private answer(): void {
    const { outputs, submittedAtMs, startedAtMs = submittedAtMs, computeMs, largestBatch: batchSize } = this;
    try {
      const inOrder = [...outputs].sort(([a], [b]) => a - b).map(([, output]) => output);
      this.parts.resolve({ output: joinPieces(inOrder), queueMs: startedAtMs - submittedAtMs, computeMs, batchSize });
      this.parts.lessons.counters.ended(undefined);
    } catch (error) {
      this.refuse(error);
    }
  }

  private refuse(error: unknown): void {
    this.parts.lessons.counters.ended(error);
    this.parts.reject(error);
  }

  private countWait(untilMs: number): void {
    const { lessons, priority } = this.parts;
    lessons.counters.waits[priority].observe(untilMs - this.submittedAtMs, untilMs);
  }
}

/** Each row of a piece as a piece of its own, where its rows may run apart. */
export function rowsOfPiece(piece: Piece): readonly Piece[] {
  const { owner, from, input } = piece;
  if (!input.splittable || input.rows === 1) return [piece];
  return Array.from({ length: input.rows }, (_, row) => ({
    owner,
    from: from + row,
    input: rowsOfCall(input, row, 1),
  }));
}

/** The error of a process that died of a piece, for its call: it names the row where that has several. */
export function blaming(error: unknown, { owner, from, input }: Piece): unknown {
  const isOneOfMany = input.rows === 1 && owner.call.input.rows > 1;
  if (!isOneOfMany || !isQuaysideError(error) || error.code !== 'executor_crashed') return error;
  const { code, message } = error;
  return new QuaysideError(code, message, { details: [{ field: `rows[${from}]`, code, message }], cause: error });
}
