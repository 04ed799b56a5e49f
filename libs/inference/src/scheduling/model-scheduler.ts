import { type Clock, type QuaysideError, type Timer, isQuaysideError } from '@app/core';
import { type ModelVersion, versionKey } from '@app/model-registry';
import type { BatchResult, Executor, LoadedModel } from '../execution/executor';
import { admit, retryAfter } from './batch-policy';
import { type CallQueue, type RunningBatch, VersionLoad } from './call-queue';
import { QueuedCall, blaming, rowsOfPiece } from './queued-call';
import { type RunShape, runShapeOf } from './run-shape';
import { type ScheduledCall, type ScheduledResult, deadlineError, mayRerun, overloadedError } from './scheduled-call';
import type { VersionStatistics } from './statistics';
import { Turns } from './turns';
import { atDeadline, clientClosed } from './within-deadline';

export type { ScheduledCall, ScheduledResult } from './scheduled-call';

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
  private readonly turns = new Turns();
  private readonly idle: (() => void)[] = [];
  private bytes = 0;
  private calls = 0;
  private suspectRuns = false;
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
      const priority = call.priority ?? 'online';
      const queue = load.queue(priority, shape.key);
      const refusal = this.refusalOf(call, queue, shape);
      if (refusal) return reject(refusal);
      const submittedAtMs = this.clock.monotonicMs();
      this.enter(new QueuedCall({ call, shape, priority, lessons: load, submittedAtMs, resolve, reject }), queue);
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
    this.loadOf(version).judge(batching);
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

  private enter(queued: QueuedCall, queue: CallQueue): void {
    const { load } = queue;
    const { call, shape } = queued;
    const { context } = call;
    if (load.rows === 0) this.turns.wake(load);
    load.rows += call.input.rows;
    this.bytes += shape.bytes;
    this.calls += 1;
    queue.add(queued);
    this.turns.note(queue);
    queued.timer = atDeadline(context, this.clock, () => this.expire(queued));
    queued.onLeave = () => this.settle(queued, clientClosed());
    queued.onEnd = () => this.release(queued, queue);
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
        load.judge(batching);
        this.pump();
      },
      (error: unknown) => {
        load.loading = false;
        for (const queued of load.everyone()) this.settle(queued, error);
      },
    );
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
    const turn = this.turns.next(nowMs, (queue) => queue.isReady(this.suspectRuns) && this.roomFor(queue.load));
    if (turn.queue) this.start(turn.queue, nowMs);
    else if (turn.waitUntilMs < Infinity) this.held = this.clock.setTimer(turn.waitUntilMs - nowMs, () => this.pump());
    return turn.queue !== undefined;
  }

  private roomFor(load: VersionLoad): boolean {
    if (load.loading) return false;
    const room = this.executor.room(load.version);
    if (room === 'absent') this.bringIn(load);
    return room === 'free';
  }

  private start(queue: CallQueue, nowMs: number): void {
    const { load } = queue;
    this.dropLate(queue, nowMs);
    const cap = queue.cap();
    const inTime = queue.rowsWithin(queue.firstDeadlineAtMs - nowMs);
    const pieces = queue.rows === 0 ? [] : queue.take(Math.min(cap, inTime), this.suspectRuns);
    this.turns.note(queue);
    if (pieces.length === 0) return;
    const rows = pieces.reduce((sum, { input }) => sum + input.rows, 0);
    const expectedMs = queue.expectedMs(rows);
    const batch: RunningBatch = {
      ...{ queue, pieces, rows, expectedMs, startedAtMs: nowMs, abandon: new AbortController() },
      full: rows >= cap,
    };
    this.turns.began(queue, expectedMs);
    load.batchesRunning += 1;
    queue.batchesRunning += 1;
    this.run(batch);
  }

  /** What could not finish in time even alone is not begun, unless nothing else waits: an estimate may be wrong. */
  private dropLate(queue: CallQueue, nowMs: number): void {
    const serviceMs = queue.expectedMs(1);
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
      for (const { owner } of pieces) owner.begins(nowMs);
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
    batch.pieces.forEach((piece, at) => {
      const { owner } = piece;
      if (owner.isSettled) return;
      owner.take(piece, result.outputs[at], { computeMs, batchRows: rows });
      if (owner.isDone) this.settle(owner, undefined);
    });
  }

  /** Of a batch that failed only the guilty fail: each of its pieces runs once more, by itself; each of its rows, if the process died. */
  private fail(batch: RunningBatch, error: unknown): void {
    const { pieces, queue } = batch;
    this.end(batch, this.clock.monotonicMs() - batch.startedAtMs);
    const code = isQuaysideError(error) ? error.code : undefined;
    const parts = code === 'executor_crashed' ? pieces.flatMap(rowsOfPiece) : pieces;
    const again = parts.length > 1 && mayRerun(code);
    for (const piece of parts) {
      if (piece.owner.isSettled) continue;
      if (!again) this.settle(piece.owner, blaming(error, piece));
      else queue.rerun({ ...piece, rerun: code === 'executor_crashed' ? 'suspect' : 'failed' });
    }
    this.turns.note(queue);
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
    this.settle(queued, deadlineError(version, queued.hasStarted ? 'executing' : 'queued'));
  }

  /** Ends a call: with `error`, or with what its pieces gave. */
  private settle(queued: QueuedCall, error: unknown): void {
    queued.end(error, this.clock.monotonicMs());
  }

  private release(queued: QueuedCall, queue: CallQueue): void {
    const { call, shape, running } = queued;
    this.withdraw(queued, queue);
    queue.load.rows -= call.input.rows;
    this.bytes -= shape.bytes;
    this.calls -= 1;
    for (const batch of running) if (batch.pieces.every(({ owner }) => owner.isSettled)) batch.abandon.abort();
    if (this.calls === 0) this.idle.splice(0).forEach((resolve) => resolve());
  }

  /** Takes out what still waits of a call. */
  private withdraw(queued: QueuedCall, queue: CallQueue): void {
    const { load } = queue;
    const waited = load.hasWaiting;
    queue.remove(queued);
    this.turns.note(queue);
    if (waited && !load.hasWaiting) load.drainRate.waitEnded();
  }
}
