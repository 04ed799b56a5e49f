import type { QuaysideError, Timer } from '@app/core';
import type { TaskInput, TaskOutput } from '../tasks/task';
import { type BatchLimits, type CallSize, type Priority, type QueueView, composeBatch } from './batch-policy';
import {
  BULK_TARGET_MS,
  type DoneBatch,
  FIRST_CAP,
  LARGEST_CAP,
  nextCap,
  nextRate,
  type SizeRate,
  sizeClass,
  worthwhileRows,
} from './batch-size';
import type { ScheduledCall, ScheduledResult } from './model-scheduler';
import { rowsOfCall } from './pieces';
import type { RunShape } from './run-shape';
import { ServiceTimes } from './service-times';
import type { VersionLoad } from './version-load';

/** A call from its submission until it settles. */
export interface QueuedCall {
  readonly call: ScheduledCall;
  readonly shape: RunShape;
  readonly queue: CallQueue;
  readonly submittedAtMs: number;
  readonly resolve: (result: ScheduledResult) => void;
  readonly reject: (error: unknown) => void;
  timer?: Timer;
  onLeave?: () => void;
  /** Rows that were given to batches, and rows that are done. */
  rowsTaken: number;
  rowsDone: number;
  /** What its pieces gave, by their first row. */
  readonly outputs: Map<number, TaskOutput>;
  /** Batches that run rows of it. */
  readonly running: Set<RunningBatch>;
  startedAtMs: number | undefined;
  computeMs: number;
  /** Rows of the largest batch that rows of it were in. */
  largestBatch: number;
  settled: boolean;
}

/** Rows of one call in one batch. */
export interface Piece {
  readonly owner: QueuedCall;
  readonly from: number;
  readonly input: TaskInput;
  /** Why it runs by itself: its batch failed, or the process of its batch died. */
  readonly rerun?: 'failed' | 'suspect';
}

/** A batch that an executor runs. */
export interface RunningBatch {
  readonly queue: CallQueue;
  readonly pieces: readonly Piece[];
  readonly rows: number;
  readonly full: boolean;
  readonly startedAtMs: number;
  readonly expectedMs: number;
  readonly abandon: AbortController;
}

/** More bytes do not gain from sharing a frame. */
const BATCH_LIMIT_BYTES = 16 * 1024 * 1024;
/** Weight of the newest gap between two arrivals. */
const NEWEST_GAP = 0.2;

/**
 * Calls of one version whose rows may share a run, in order, with what was learnt of their batches. A call that leaves
 * is out of it at once. Pieces whose batch failed stand before all others and go one by one.
 */
export class CallQueue implements QueueView {
  private readonly calls = new Set<QueuedCall>();
  private readonly reruns = new Set<Piece>();
  private readonly rates: (SizeRate | undefined)[] = [];
  private size = FIRST_CAP;
  private batchesDone = 0;
  private lastArrivalMs: number | undefined;
  readonly times = new ServiceTimes();
  gapMs = Infinity;
  /** Rows that wait. */
  rows = 0;
  batchesRunning = 0;

  constructor(
    readonly load: VersionLoad,
    readonly priority: Priority,
    readonly name: string,
  ) {}

  get servedMs(): number {
    return this.load.servedMs;
  }

  get headAtMs(): number {
    for (const { owner } of this.reruns) return owner.submittedAtMs;
    for (const { submittedAtMs } of this.calls) return submittedAtMs;
    return Infinity;
  }

  get isIdle(): boolean {
    return this.rows === 0 && this.batchesRunning === 0;
  }

  /** Whether something could run now; suspects wait for each other. */
  isReady(suspectRuns: boolean): boolean {
    if (this.calls.size > 0) return true;
    for (const { rerun } of this.reruns) if (rerun === 'failed' || !suspectRuns) return true;
    return false;
  }

  add(call: QueuedCall): void {
    this.calls.add(call);
    this.wait(call.call.input.rows);
    if (this.lastArrivalMs !== undefined) {
      const gapMs = call.submittedAtMs - this.lastArrivalMs;
      this.gapMs = this.gapMs === Infinity ? gapMs : this.gapMs + NEWEST_GAP * (gapMs - this.gapMs);
    }
    this.lastArrivalMs = call.submittedAtMs;
  }

  /** Takes a call out with all that waits of it. */
  remove(call: QueuedCall): void {
    if (this.calls.delete(call)) this.wait(call.rowsTaken - call.call.input.rows);
    if (this.reruns.size === 0) return;
    for (const piece of this.reruns) if (piece.owner === call) this.dropRerun(piece);
  }

  /** Lets a piece of a batch that failed run by itself. */
  rerun(piece: Piece): void {
    this.reruns.add(piece);
    this.wait(piece.input.rows);
  }

  /** The most rows of the next batch. */
  cap(): number {
    const { batching } = this.load.version.manifest;
    if (!this.load.isBatchable) return 1;
    const wanted =
      batching.maxRows === 'auto'
        ? Math.min(this.size, worthwhileRows(this.rates, this.batchesDone))
        : batching.maxRows;
    return Math.max(1, Math.floor(Math.min(wanted, this.priority === 'bulk' ? this.bulkRows() : Infinity)));
  }

  /** How long a batch of so many rows takes, as far as is known. */
  expectedMs(rows: number): number {
    const line = this.times.estimate();
    return line ? line.perRowMs * rows + line.perBatchMs : 0;
  }

  /** The calls that wait, oldest first. */
  waiting(): Iterable<QueuedCall> {
    return this.calls;
  }

  /** Every call of which something waits. */
  everyone(): readonly QueuedCall[] {
    return [...this.calls, ...Array.from(this.reruns, ({ owner }) => owner)];
  }

  /** Takes the next batch out, with at most so many rows: a piece that runs by itself, or the oldest calls together. */
  take(cap: number, suspectRuns: boolean): readonly Piece[] {
    for (const piece of this.reruns) {
      if (piece.rerun === 'suspect' && suspectRuns) continue;
      this.dropRerun(piece);
      return [piece];
    }
    const limits: BatchLimits = {
      rows: cap,
      tokens: this.load.version.manifest.batching.maxTokens,
      bytes: BATCH_LIMIT_BYTES,
    };
    const counts = composeBatch(sizesOf(this.calls), limits);
    const calls = this.calls.values();
    return counts.map((count) => this.cut(calls.next().value!, count));
  }

  /** Learns from a batch that went well. */
  learn(done: DoneBatch): void {
    this.batchesDone += 1;
    const at = sizeClass(done.rows);
    this.times.observe(done.rows, done.serviceMs);
    while (this.rates.length < at) this.rates.push(undefined);
    this.rates[at] = nextRate(this.rates[at], done, this.batchesDone);
    const used = Math.min(this.size, worthwhileRows(this.rates, this.batchesDone));
    this.size = nextCap(used, done, LARGEST_CAP);
  }

  private bulkRows(): number {
    const line = this.times.estimate();
    if (!line || line.perRowMs === 0) return Infinity;
    return (BULK_TARGET_MS - line.perBatchMs) / line.perRowMs;
  }

  private cut(owner: QueuedCall, rows: number): Piece {
    const from = owner.rowsTaken;
    owner.rowsTaken += rows;
    this.wait(-rows);
    if (owner.rowsTaken === owner.call.input.rows) this.calls.delete(owner);
    return { owner, from, input: rowsOfCall(owner.call.input, from, rows) };
  }

  private dropRerun(piece: Piece): void {
    if (this.reruns.delete(piece)) this.wait(-piece.input.rows);
  }

  private wait(rows: number): void {
    this.rows += rows;
    this.load.queuedRows[this.priority] += rows;
  }
}

function* sizesOf(calls: Iterable<QueuedCall>): Iterable<CallSize> {
  for (const { call, shape, rowsTaken } of calls) {
    const { rows, splittable } = call.input;
    yield { rows: rows - rowsTaken, splittable, rowTokens: shape.rowTokens, rowBytes: shape.rowBytes };
  }
}

/** The error of a call that a batch failed with is its own only where the batch had no other. */
export function mayRerun(code: QuaysideError['code'] | undefined): boolean {
  return code === undefined || !FATAL.has(code);
}

/** What fails every call of the version alike, or says that time is up. */
const FATAL: ReadonlySet<string> = new Set([
  'deadline_exceeded',
  'model_unavailable',
  'model_load_failed',
  'model_capacity',
  'shutting_down',
  'client_closed',
] satisfies QuaysideError['code'][]);
