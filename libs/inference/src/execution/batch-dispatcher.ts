import type { Clock } from '@app/core';
import { type ModelVersion, versionKey } from '@app/model-registry';
import { InFlight } from '../in-flight';
import type { Batch, BatchResult, Room } from './executor';
import type { ModelLoader } from './model-loader';
import type { PoisonList } from './poison-list';
import { clientClosed, crashed, quarantined, shuttingDown, tooSlow } from './refusals';
import type { Slot } from './slot';
import { SlotDeath, mayBlame } from './slot-death';
import type { SlotPool } from './slot-pool';

/** A batch on its way. */
interface Job {
  readonly batch: Batch;
  readonly key: string;
  /** CPUs that it takes while it runs. */
  readonly tokens: number;
  readonly resolve: (result: BatchResult) => void;
  readonly reject: (error: unknown) => void;
  /** The process that ran it died: it may be the reason, and gets one more chance. */
  suspect: boolean;
  readonly onAbort: () => void;
  /** It no longer runs or waits. */
  readonly leave: () => void;
}

/** What a dispatcher works with. */
export interface BatchDispatcherOptions {
  readonly pool: SlotPool;
  readonly loader: ModelLoader;
  readonly poison: PoisonList;
  readonly clock: Clock;
  /** CPUs for running batches. */
  readonly concurrency: number;
  /** A batch has ended: a CPU or a process may be free. */
  readonly onFree: () => void;
}

/**
 * Gives waiting batches to processes, first come, first served, but past those whose version has no free process: one
 * model never holds up another. A batch takes as many CPU tokens as its version has threads, so that what runs stays
 * within the quota. A call whose process died runs once more, and only one such suspect runs at a time: a poisonous
 * input kills two processes at most, and is refused unseen for a while afterwards.
 */
export class BatchDispatcher {
  /** In order; those that are tried again stand first. */
  private waiting = new Set<Job>();
  private readonly running = new Set<Job>();
  /** Batches that run or wait, by version. */
  private readonly demand = new InFlight();
  private tokensTaken = 0;
  private suspectRuns = false;
  private closed = false;

  constructor(private readonly options: BatchDispatcherOptions) {}

  /** How many batches run and wait. */
  get counts(): { readonly running: number; readonly waiting: number } {
    return { running: this.running.size, waiting: this.waiting.size };
  }

  /** Runs a batch when its turn comes; see `Executor.run`. */
  run(batch: Batch): Promise<BatchResult> {
    return new Promise((resolve, reject) => {
      if (batch.signal.aborted) return reject(clientClosed());
      if (this.closed) return reject(shuttingDown());
      if (this.options.poison.has(batch, this.options.clock.monotonicMs())) return reject(quarantined(batch.version));
      const { version, suspect = false } = batch;
      const key = versionKey(version);
      const onAbort = (): void => this.abort(job);
      const job: Job = {
        batch,
        key,
        tokens: this.tokensOf(version),
        resolve,
        reject,
        suspect,
        onAbort,
        leave: this.demand.enter(key),
      };
      batch.signal.addEventListener('abort', onAbort, { once: true });
      this.options.loader.touch(job.key);
      this.waiting.add(job);
      this.pump();
    });
  }

  /**
   * How a batch of the version would fare now. One that needs several CPUs may come when one is free: it waits here for
   * the others, and nobody overtakes it, or it would never run.
   */
  room(version: ModelVersion): Room {
    const key = versionKey(version);
    const slot = this.options.pool.idleHolder(key);
    if (!slot && !this.options.loader.isHeld(key)) return 'absent';
    if (slot && this.waiting.size === 0 && this.tokensTaken < this.options.concurrency) return 'free';
    if (!slot) this.extend(version);
    return 'busy';
  }

  /** Whether batches of the version run or wait. */
  isInDemand(key: string): boolean {
    return this.demand.has(key);
  }

  /** Resolves when no batch of the version runs or waits. */
  quiet(key: string): Promise<void> {
    return this.demand.whenIdle(key);
  }

  /** Refuses every waiting batch of a version. */
  refuse(key: string, error: unknown): void {
    const refused = [...this.waiting].filter((job) => job.key === key);
    for (const job of refused) this.settle(job, () => job.reject(error));
  }

  /** Starts what can start now, and has loaded what is missing; called whenever a process may have become idle. */
  pump(): void {
    if (this.waiting.size === 0) return;
    const stuck = new Set<string>();
    for (const job of [...this.waiting]) {
      // What is called below may settle or start others.
      if (stuck.has(job.key) || !this.waiting.has(job) || (job.suspect && this.suspectRuns)) continue;
      const slot = this.options.pool.idleHolder(job.key);
      // No one overtakes a batch that only lacks tokens, or one that needs many would never run.
      if (slot && this.tokensTaken + job.tokens > this.options.concurrency) return;
      if (slot) this.start(job, slot);
      else stuck.add(job.key);
      if (!slot) this.want(job);
    }
  }

  /** Refuses what waits; resolves when nothing runs any more that anyone waits for. */
  async close(): Promise<void> {
    this.closed = true;
    for (const job of [...this.waiting]) this.settle(job, () => job.reject(shuttingDown()));
    const awaited = [...this.running].filter(({ batch }) => !batch.signal.aborted);
    await Promise.all(awaited.map(({ key }) => this.quiet(key)));
  }

  private start(job: Job, slot: Slot): void {
    this.waiting.delete(job);
    this.running.add(job);
    this.tokensTaken += job.tokens;
    if (job.suspect) this.suspectRuns = true;
    job.batch.onStart?.();
    slot.run(job.batch).then(
      (result) => this.settle(job, () => job.resolve(result)),
      (error: unknown) => this.failed(job, error),
    );
  }

  private stop(job: Job): void {
    if (!this.running.delete(job)) return;
    this.tokensTaken -= job.tokens;
    if (job.suspect) this.suspectRuns = false;
  }

  private failed(job: Job, error: unknown): void {
    if (!(error instanceof SlotDeath)) return this.settle(job, () => job.reject(error));
    if (error.deathCause === 'hard_timeout') return this.settle(job, () => job.reject(tooSlow(job.batch.version)));
    if (job.suspect) return this.condemn(job, error);
    if (this.closed) return this.settle(job, () => job.reject(shuttingDown()));
    if (isDivisible(job.batch)) return this.settle(job, () => job.reject(crashed(job.batch.version)));
    this.stop(job);
    job.suspect = true;
    if (job.batch.signal.aborted) return this.settle(job, () => job.reject(clientClosed()));
    this.waiting = new Set([job, ...this.waiting]);
    this.pump();
  }

  /** Who was killed from outside twice had bad luck; who crashed twice is to blame. */
  private condemn(job: Job, { deathCause }: SlotDeath): void {
    const { poison, clock } = this.options;
    if (deathCause !== 'killed' && mayBlame(deathCause)) poison.add(job.batch, clock.monotonicMs());
    this.settle(job, () => job.reject(crashed(job.batch.version)));
  }

  private abort(job: Job): void {
    if (this.running.has(job)) return job.reject(clientClosed());
    this.settle(job, () => job.reject(clientClosed()));
  }

  private settle(job: Job, answer: () => void): void {
    this.waiting.delete(job);
    this.stop(job);
    job.batch.signal.removeEventListener('abort', job.onAbort);
    answer();
    job.leave();
    this.pump();
    this.options.onFree();
  }

  /** No process is free for the batch: its version is loaded, or one more copy of it. */
  private want({ batch: { version }, key }: Job): void {
    const { loader } = this.options;
    if (loader.isHeld(key)) return this.extend(version);
    loader.loadUnreported(version).catch((error: unknown) => this.refuse(key, error));
  }

  private extend(version: ModelVersion): void {
    const { loader, concurrency } = this.options;
    const { instances, threads } = version.manifest.execution;
    const most = instances === 'auto' ? Math.max(1, Math.floor(concurrency / threads)) : instances;
    if (this.tokensTaken < concurrency) loader.extend(version, most);
  }

  private tokensOf({ manifest }: ModelVersion): number {
    return Math.min(manifest.execution.threads, this.options.concurrency);
  }
}

/** Whether who gave it can run its rows apart, to find the one that is to blame. */
function isDivisible({ calls }: Batch): boolean {
  const [first] = calls;
  return calls.length > 1 || (first !== undefined && first.splittable && first.rows > 1);
}
