import { type ModelVersion, versionKey } from '@app/model-registry';
import type { BatchVerdict } from '../tasks/batch-check';
import { type BatchLimits, type CallSize, type Priority, type QueueView, composeBatch } from './batch-policy';
import { BatchSizer } from './batch-sizer';
import { rowsOfCall } from './pieces';
import type { Piece, PiecesRun, QueuedCall } from './queued-call';
import { TokenLength } from './run-shape';
import { DrainRate, expectedMs, rowsWithin } from './service-times';
import type { VersionStatistics, WaitingStatistics } from './statistics';
import { VersionCounters } from './version-counters';

/** A batch that an executor runs. */
export interface RunningBatch extends PiecesRun {
  readonly queue: CallQueue;
  readonly rows: number;
  readonly full: boolean;
  readonly startedAtMs: number;
  readonly expectedMs: number;
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
  private lastArrivalMs: number | undefined;
  readonly sizer = new BatchSizer();
  gapMs = Infinity;
  /** Rows that wait. */
  rows = 0;
  batchesRunning = 0;

  constructor(
    readonly load: VersionLoad,
    readonly priority: Priority,
    readonly shape: string,
  ) {}

  get servedMs(): number {
    return this.load.servedMs;
  }

  get headAtMs(): number {
    for (const { owner } of this.reruns) return owner.submittedAtMs;
    for (const { submittedAtMs } of this.calls) return submittedAtMs;
    return Infinity;
  }

  /** The deadline of its oldest call that was not begun. */
  get firstDeadlineAtMs(): number {
    for (const { call } of this.calls) return call.context.deadlineAtMs;
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
    return this.load.isBatchable ? this.sizer.cap(this.load.version.manifest.batching.maxRows, this.priority) : 1;
  }

  /** How long a batch of so many rows takes, as far as is known. */
  expectedMs(rows: number): number {
    return expectedMs(this.sizer.serviceTime(), rows);
  }

  /** The most rows of a batch that takes no longer, at least one. */
  rowsWithin(ms: number): number {
    return Math.max(1, rowsWithin(this.sizer.serviceTime(), ms));
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

/** Queues of one version that are kept; shapes come from clients, so their number must be bounded. */
const MOST_QUEUES = 64;

/** What is known of one version: its queues, what was learnt, and counts since it was first called. */
export class VersionLoad {
  readonly key: string;
  readonly queuedRows: Record<Priority, number> = { online: 0, bulk: 0 };
  readonly tokenLength = new TokenLength();
  readonly drainRate = new DrainRate();
  readonly counters = new VersionCounters();
  /** Rows in the scheduler, waiting or running. */
  rows = 0;
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

  get hasWaiting(): boolean {
    return this.queuedRows.online + this.queuedRows.bulk > 0;
  }

  /** The queue for calls of one shape; it is made when there is none. */
  queue(priority: Priority, shapeKey: string): CallQueue {
    const name = `${priority} ${shapeKey}`;
    const known = this.queues.get(name);
    if (known) return known;
    const made = new CallQueue(this, priority, shapeKey);
    if (this.queues.size >= MOST_QUEUES) this.forgetOne();
    this.queues.set(name, made);
    return made;
  }

  /** Every call of which something waits. */
  everyone(): readonly QueuedCall[] {
    return [...this.queues.values()].flatMap((queue) => queue.everyone());
  }

  /** Takes what was found of whether its rows may run together; what the manifest says goes before that. */
  judge(found: BatchVerdict): void {
    const isOff = this.version.manifest.batching.mode === 'off';
    this.verdict = isOff ? { batchable: false, reason: 'model.yaml says batching: { mode: off }.' } : found;
  }

  statistics(nowMs: number): Omit<VersionStatistics, 'limitRows'> {
    const { rowsPerMs } = this.drainRate;
    return {
      ...this.counters.statistics(nowMs),
      queuedRows: this.queuedRows.online + this.queuedRows.bulk,
      waiting: { online: this.waiting('online', nowMs), bulk: this.waiting('bulk', nowMs) },
      runningBatches: this.batchesRunning,
      ...(rowsPerMs !== undefined && { rowsPerMs }),
      ...(this.verdict && { batching: this.verdict }),
      queues: Array.from(this.queues.values(), (queue) => ({
        priority: queue.priority,
        shape: queue.shape,
        queuedRows: queue.rows,
        cap: queue.cap(),
        ...queue.sizer.serviceTime(),
      })),
    };
  }

  private waiting(priority: Priority, nowMs: number): WaitingStatistics {
    const queues = [...this.queues.values()].filter((queue) => queue.priority === priority);
    return {
      calls: new Set(queues.flatMap((queue) => queue.everyone())).size,
      rows: this.queuedRows[priority],
      oldestMs: Math.max(0, ...queues.map(({ headAtMs }) => nowMs - headAtMs)),
      waits: this.counters.waits[priority].statistics(nowMs),
    };
  }

  private forgetOne(): void {
    for (const [name, queue] of this.queues) if (queue.isIdle) return void this.queues.delete(name);
  }
}
