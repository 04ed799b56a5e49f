import { type Clock, type QuaysideError, type Timer, isQuaysideError } from '@app/core';
import { type ModelVersion, versionKey } from '@app/model-registry';
import type { BatchResult, Executor, LoadedModel } from '../execution/executor';
import type { BatchVerdict } from '../tasks/batch-check';
import type { TaskOutput } from '../tasks/task';
import { taskOf } from '../tasks/tasks';
import { admit, decideBatch, pickQueue, retryAfter } from './batch-policy';
import { type CallQueue, type Piece, type QueuedCall, type RunningBatch, VersionLoad } from './call-queue';
import { joinPieces } from './pieces';
import { type RunShape, runShapeOf } from './run-shape';
import { type ScheduledCall, type ScheduledResult, deadlineError, mayRerun, overloadedError } from './scheduled-call';
import type { VersionStatistics } from './statistics';
import { atDeadline, clientClosed } from './within-deadline';

export type { ScheduledCall, ScheduledResult } from './scheduled-call';

/** What one batch says of every piece in it. */
interface RunTotals {
  readonly computeMs: number;
  readonly batchRows: number;
}

/** Bounds of the work that may wait. */
export interface SchedulerOptions {
  /** Rows of one version that may be in the scheduler at once. */
  readonly queueLimitRows: number;
  /** Bytes of inputs of all versions that may be in the scheduler at once. */
  readonly queueLimitBytes: number;
}

/**
 * Brings calls to the executor. Work waits here and not there: a process that is free takes what rows of one queue are
 * there, so batches grow with the load and a lone call never waits. Each call settles exactly once: with its output,
 * with its failure, at its deadline, or when its caller leaves; what nobody waits for any more is not begun. A call that
 * could not be answered in time, or is beyond the bounds, is refused with overloaded. What runs next is decided by the
 * functions of `batch-policy` and `batch-size`; this class carries it out.
 */
export class ModelScheduler {
  private readonly loads = new Map<string, VersionLoad>();
  /** Queues in which something waits. */
  private readonly waiting = new Set<CallQueue>();
  private readonly idle: (() => void)[] = [];
  private bytes = 0;
  private calls = 0;
  private suspectRuns = false;
  private onlineInARow = 0;
  /** Time that the version got which was last picked: one that wakes starts from there. */
  private servedMs = 0;
  private held: Timer | undefined;
  private pumping = false;

  constructor(
    private readonly executor: Executor,
    private readonly clock: Clock,
    private readonly options: SchedulerOptions,
  ) {
    executor.serve({ onFree: () => this.pump(), hasWork: (key) => (this.loads.get(key)?.rows ?? 0) > 0 });
  }

  /** Throws overloaded, deadline_exceeded, client_closed, and what `Executor.run` throws. */
  submit(call: ScheduledCall): Promise<ScheduledResult> {
    return new Promise((resolve, reject) => {
      if (call.context.signal.aborted) return reject(clientClosed());
      const load = this.loadOf(call.version);
      const shape = runShapeOf(call.version, call.input, load.tokenLength.bytesPerToken);
      const queue = load.queue(call.priority ?? 'online', shape.key);
      const refusal = this.refusalOf(call, queue, shape);
      if (refusal) return reject(refusal);
      this.enter({
        ...{ call, shape, queue, resolve, reject, submittedAtMs: this.clock.monotonicMs() },
        ...{ rowsTaken: 0, rowsDone: 0, outputs: new Map(), running: new Set() },
        ...{ startedAtMs: undefined, computeMs: 0, largestBatch: 0, settled: false },
      });
    });
  }

  /** Rows of one version that are in the scheduler, waiting or running. */
  rowsOf(version: ModelVersion): number {
    return this.loads.get(versionKey(version))?.rows ?? 0;
  }

  /** What waits, runs, was counted and learnt of a version. */
  statistics(version: ModelVersion): VersionStatistics {
    const load = this.loads.get(versionKey(version)) ?? new VersionLoad(version);
    return { ...load.statistics(this.clock.monotonicMs()), limitRows: this.options.queueLimitRows };
  }

  /** Takes what an executor found out when it loaded a version, so that its first call need not ask. */
  loaded(version: ModelVersion, { batching }: Pick<LoadedModel, 'batching'>): void {
    this.loadOf(version).verdict = verdictOf(version, batching);
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
    const known = this.loads.get(key);
    if (known) return known;
    const load = new VersionLoad(version);
    this.loads.set(key, load);
    return load;
  }

  private refusalOf(call: ScheduledCall, queue: CallQueue, shape: RunShape): QuaysideError | undefined {
    const { load, priority } = queue;
    const { rows } = call.input;
    const rowsAhead = load.queuedRows.online + (priority === 'bulk' ? load.queuedRows.bulk : 0);
    const { rowsPerMs } = load.drainRate;
    const isFull =
      load.rows + rows > this.options.queueLimitRows || this.bytes + shape.bytes > this.options.queueLimitBytes;
    const leftMs = call.context.deadlineAtMs - this.clock.monotonicMs();
    const admission = isFull
      ? { retryAfterMs: retryAfter(rowsPerMs === undefined ? 0 : load.rows / rowsPerMs) }
      : admit({ rowsAhead, rowsPerMs, serviceMs: queue.expectedMs(Math.min(queue.rows + rows, queue.cap())) }, leftMs);
    if (admission === 'yes') return undefined;
    load.counters.refused();
    return overloadedError(call.version, admission.retryAfterMs);
  }

  private enter(queued: QueuedCall): void {
    const { call, shape, queue } = queued;
    const { load } = queue;
    const { context } = call;
    if (load.rows === 0) load.servedMs = Math.max(load.servedMs, this.servedMs);
    load.rows += call.input.rows;
    this.bytes += shape.bytes;
    this.calls += 1;
    queue.add(queued);
    this.waiting.add(queue);
    queued.timer = atDeadline(context, this.clock, () => this.expire(queued));
    queued.onLeave = () => this.settle(queued, clientClosed());
    context.signal.addEventListener('abort', queued.onLeave, { once: true });
    if (load.verdict === undefined) this.bringIn(load);
    else if (this.roomFor(load)) this.pump();
  }

  /** Has the version loaded; until then nothing of it runs. */
  private bringIn(load: VersionLoad): void {
    if (load.loading) return;
    load.loading = true;
    this.executor.load(load.version).then(
      ({ batching }) => {
        load.loading = false;
        load.verdict = verdictOf(load.version, batching);
        this.pump();
      },
      (error: unknown) => {
        load.loading = false;
        for (const queue of load.all()) this.failAll(queue, error);
      },
    );
  }

  private failAll(queue: CallQueue, error: unknown): void {
    for (const call of queue.everyone()) this.settle(call, error);
  }

  /** Starts what can start now; called whenever work came or a process may have become free. */
  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    try {
      while (this.startOne());
    } finally {
      this.pumping = false;
    }
  }

  private startOne(): boolean {
    const nowMs = this.clock.monotonicMs();
    this.held?.cancel();
    this.held = undefined;
    const ready: CallQueue[] = [];
    let holdUntilMs = Infinity;
    for (const queue of this.waiting) {
      if (!queue.isReady(this.suspectRuns) || !this.roomFor(queue.load)) continue;
      const { delayMs } = queue.load.version.manifest.batching;
      const decision = decideBatch(queue, { cap: queue.cap(), delayMs }, nowMs);
      if ('send' in decision) ready.push(queue);
      else holdUntilMs = Math.min(holdUntilMs, decision.waitUntilMs);
    }
    const picked = pickQueue(ready, this.onlineInARow);
    if (picked) this.start(picked, nowMs);
    else if (holdUntilMs < Infinity) this.held = this.clock.setTimer(holdUntilMs - nowMs, () => this.pump());
    return picked !== undefined;
  }

  private roomFor(load: VersionLoad): boolean {
    if (load.loading) return false;
    const room = this.executor.room(load.version);
    if (room === 'absent') this.bringIn(load);
    return room === 'free';
  }

  private start(queue: CallQueue, nowMs: number): void {
    const { load } = queue;
    const cap = queue.cap();
    this.dropLate(queue, nowMs);
    const pieces = queue.rows === 0 ? [] : queue.take(cap, this.suspectRuns);
    if (queue.rows === 0) this.waiting.delete(queue);
    if (pieces.length === 0) return;
    const rows = pieces.reduce((sum, { input }) => sum + input.rows, 0);
    const expectedMs = queue.expectedMs(rows);
    const batch: RunningBatch = {
      ...{ queue, pieces, rows, expectedMs, startedAtMs: nowMs, abandon: new AbortController() },
      full: rows >= cap,
    };
    this.servedMs = load.servedMs;
    load.servedMs += expectedMs;
    load.batchesRunning += 1;
    queue.batchesRunning += 1;
    this.onlineInARow = queue.priority === 'online' && this.bulkWaits() ? this.onlineInARow + 1 : 0;
    this.run(batch);
  }

  private bulkWaits(): boolean {
    for (const { priority } of this.waiting) if (priority === 'bulk') return true;
    return false;
  }

  /** What cannot finish in time is not begun, unless nothing else waits: an estimate may be wrong. */
  private dropLate(queue: CallQueue, nowMs: number): void {
    const serviceMs = queue.expectedMs(Math.min(queue.rows, queue.cap()));
    for (const call of queue.waiting()) {
      const rowsLeft = call.call.input.rows - call.rowsTaken;
      if (queue.rows === rowsLeft || nowMs + serviceMs <= call.call.context.deadlineAtMs) return;
      this.expire(call);
    }
  }

  private run(batch: RunningBatch): void {
    const { pieces, queue, abandon } = batch;
    const suspect = pieces[0].rerun === 'suspect';
    if (suspect) this.suspectRuns = true;
    for (const { owner } of pieces) owner.running.add(batch);
    const onStart = (): void => {
      const nowMs = this.clock.monotonicMs();
      for (const { owner } of pieces) this.begins(owner, nowMs);
    };
    const calls = pieces.map(({ input }) => input);
    const { traceparent } = pieces[0].owner.call.context;
    this.executor
      .run({ version: queue.load.version, calls, signal: abandon.signal, traceparent, onStart, suspect })
      .then(
        (result) => this.succeed(batch, result),
        (error: unknown) => this.fail(batch, error),
      );
  }

  private succeed(batch: RunningBatch, result: BatchResult): void {
    const { queue, rows, full } = batch;
    const { load } = queue;
    const nowMs = this.clock.monotonicMs();
    const serviceMs = nowMs - batch.startedAtMs;
    this.end(batch, serviceMs);
    load.counters.batchDone(rows, result);
    load.drainRate.batchEnded(rows, load.hasWaiting, nowMs);
    queue.sizer.learn({ rows, full, serviceMs });
    // The process first, then the answers: it would idle meanwhile.
    this.pump();
    const computeMs = result.inputMs + result.inferMs + result.outputMs;
    batch.pieces.forEach((piece, at) => this.take(piece, result.outputs[at], { computeMs, batchRows: rows }));
  }

  private take({ owner, from, input }: Piece, output: TaskOutput, { computeMs, batchRows }: RunTotals): void {
    if (owner.settled) return;
    if (owner.call.version.text) {
      owner.queue.load.tokenLength.observe(input, taskOf(owner.call.version.task).usage(output)?.tokens ?? 0);
    }
    owner.outputs.set(from, output);
    owner.rowsDone += input.rows;
    owner.computeMs += computeMs;
    owner.largestBatch = Math.max(owner.largestBatch, batchRows);
    if (owner.rowsDone === owner.call.input.rows) this.settle(owner, undefined);
  }

  /** Of a batch that failed only the guilty fail: each of its pieces runs once more, by itself. */
  private fail(batch: RunningBatch, error: unknown): void {
    const { pieces, queue } = batch;
    this.end(batch, this.clock.monotonicMs() - batch.startedAtMs);
    const code = isQuaysideError(error) ? error.code : undefined;
    const again = pieces.length > 1 && mayRerun(code);
    for (const { owner, from, input } of pieces) {
      if (owner.settled) continue;
      if (!again) this.settle(owner, error);
      else queue.rerun({ owner, from, input, rerun: code === 'executor_crashed' ? 'suspect' : 'failed' });
    }
    if (queue.rows > 0) this.waiting.add(queue);
    this.pump();
  }

  private end(batch: RunningBatch, serviceMs: number): void {
    const { queue, pieces } = batch;
    if (pieces[0].rerun === 'suspect') this.suspectRuns = false;
    for (const { owner } of pieces) owner.running.delete(batch);
    queue.batchesRunning -= 1;
    queue.load.batchesRunning -= 1;
    queue.load.counters.runs.observe(serviceMs, batch.startedAtMs + serviceMs);
    queue.load.servedMs += serviceMs - batch.expectedMs;
  }

  private expire(queued: QueuedCall): void {
    const { version } = queued.call;
    this.settle(queued, deadlineError(version, queued.startedAtMs === undefined ? 'queued' : 'executing'));
  }

  /** Ends a call: with `error`, or with what its pieces gave. */
  private settle(queued: QueuedCall, error: unknown): void {
    if (queued.settled) return;
    queued.settled = true;
    this.release(queued);
    if (queued.startedAtMs === undefined) this.waited(queued, this.clock.monotonicMs());
    if (error === undefined) this.answer(queued);
    else this.refuse(queued, error);
  }

  private begins(queued: QueuedCall, nowMs: number): void {
    if (queued.settled || queued.startedAtMs !== undefined) return;
    queued.startedAtMs = nowMs;
    this.waited(queued, nowMs);
  }

  private waited({ queue, submittedAtMs }: QueuedCall, untilMs: number): void {
    queue.load.counters.waits[queue.priority].observe(untilMs - submittedAtMs, untilMs);
  }

  private answer(queued: QueuedCall): void {
    const { outputs, submittedAtMs, startedAtMs = submittedAtMs, computeMs, largestBatch: batchSize } = queued;
    try {
      const inOrder = [...outputs].sort(([a], [b]) => a - b).map(([, output]) => output);
      queued.resolve({ output: joinPieces(inOrder), queueMs: startedAtMs - submittedAtMs, computeMs, batchSize });
      queued.queue.load.counters.ended(undefined);
    } catch (error) {
      this.refuse(queued, error);
    }
  }

  private refuse({ queue, reject }: QueuedCall, error: unknown): void {
    queue.load.counters.ended(error);
    reject(error);
  }

  private release(queued: QueuedCall): void {
    const { call, queue, shape, running } = queued;
    queued.timer?.cancel();
    if (queued.onLeave) call.context.signal.removeEventListener('abort', queued.onLeave);
    this.withdraw(queued);
    queue.load.rows -= call.input.rows;
    this.bytes -= shape.bytes;
    this.calls -= 1;
    for (const batch of running) if (batch.pieces.every(({ owner }) => owner.settled)) batch.abandon.abort();
    if (this.calls === 0) this.idle.splice(0).forEach((resolve) => resolve());
  }

  /** Takes out what still waits of a call. */
  private withdraw(queued: QueuedCall): void {
    const { queue } = queued;
    const { load } = queue;
    const waited = load.hasWaiting;
    queue.remove(queued);
    if (queue.rows === 0) this.waiting.delete(queue);
    if (waited && !load.hasWaiting) load.drainRate.waitEnded();
  }
}

/** What the manifest says goes before what was found. */
function verdictOf({ manifest }: ModelVersion, found: BatchVerdict): BatchVerdict {
  if (manifest.batching.mode !== 'off') return found;
  return { batchable: false, reason: 'model.yaml says batching: { mode: off }.' };
}
