import { type Clock, SystemClock } from '@app/core';
import { type ModelVersion, type VersionReport, versionKey } from '@app/model-registry';
import { BatchDispatcher } from './batch-dispatcher';
import { type StartChild, defaultEntryPath, startChild } from './child-process';
import { cpuQuota, memoryLimitBytes } from './cpu-quota';
import { CrashBreaker } from './crash-policy';
import {
  type Batch,
  type BatchResult,
  Executor,
  type ExecutorStatus,
  type LoadedModel,
  type Room,
  type WorkSource,
} from './executor';
import { type ChildProcessExecutorOptions, EXECUTOR_TIMINGS } from './executor-options';
import { IdleWatch } from './idle-watch';
import { ModelLoader } from './model-loader';
import { PoisonList } from './poison-list';
import { Prober } from './probe';
import { unavailable } from './refusals';
import type { Slot } from './slot';
import { type DeathCause, mayBlame } from './slot-death';
import { SlotPool } from './slot-pool';

const MAX_CACHED = 10;
const BUDGET_SHARE = 0.6;
const PROCESS_OVERHEAD_BYTES = 512 * 1024 * 1024;

/**
 * Runs models in child processes, one batch at a time in each. The parts: `SlotPool` keeps the processes alive,
 * `ModelLoader` decides which versions they hold, `BatchDispatcher` which batch runs where, `CrashBreaker` stops a
 * version that kills its processes. This class makes them and lets each know what another saw; it starts its processes
 * when it is made, or with `idleMs` when they are needed.
 */
export class ChildProcessExecutor extends Executor {
  private readonly clock: Clock;
  private readonly breaker: CrashBreaker;
  private readonly pool: SlotPool;
  private readonly loader: ModelLoader;
  private readonly dispatcher: BatchDispatcher;
  private readonly idle: IdleWatch | undefined;
  private readonly concurrency: number;
  private readonly report: (version: ModelVersion, report: VersionReport) => void;
  private readonly onCrash: NonNullable<ChildProcessExecutorOptions['onCrash']>;
  private readonly versions = new Map<string, ModelVersion>();
  private closing: Promise<void> | undefined;
  private pumping = false;
  private source: WorkSource = { onFree: () => {}, hasWork: () => false };

  constructor(options: ChildProcessExecutorOptions) {
    super();
    const { clock = new SystemClock(), report = () => {}, onCrash = () => {}, log = () => {} } = options;
    const timings = { ...EXECUTOR_TIMINGS, ...options.timings };
    const start = starter(options, { clock, log });
    const budgetBytes = options.memoryBudgetBytes ?? Math.floor(memoryLimitBytes() * BUDGET_SHARE);
    const processLimitBytes = options.processLimitBytes ?? budgetBytes + PROCESS_OVERHEAD_BYTES;
    this.clock = clock;
    this.report = report;
    this.onCrash = onCrash;
    this.concurrency = options.concurrency ?? cpuQuota();
    this.breaker = new CrashBreaker(timings);
    this.pool = new SlotPool({
      size: this.concurrency + 1,
      isAsleep: options.idleMs !== undefined,
      start,
      clock,
      timings,
      processLimitBytes,
      onChange: () => this.pump(),
      onDeath: (slot, cause, doing) => this.onDeath(slot, cause, doing),
      log,
    });
    this.loader = new ModelLoader({
      pool: this.pool,
      prober: new Prober({ start, clock, timings, directory: options.probeDirectory, processLimitBytes, log }),
      breaker: this.breaker,
      clock,
      timings,
      limits: { maxCached: options.maxCached ?? MAX_CACHED, budgetBytes },
      isInDemand: (key) => this.dispatcher.isInDemand(key) || this.source.hasWork(key),
      report,
      log,
      onChange: () => this.pump(),
    });
    this.dispatcher = new BatchDispatcher({
      pool: this.pool,
      loader: this.loader,
      poison: new PoisonList(timings.poisonMs),
      clock,
      concurrency: this.concurrency,
      onFree: () => this.source.onFree(),
    });
    if (options.idleMs !== undefined) this.idle = this.watchIdle(options.idleMs);
  }

  override load(version: ModelVersion): Promise<LoadedModel> {
    this.idle?.use();
    this.versions.set(versionKey(version), version);
    return this.loader.load(version);
  }

  override async run(batch: Batch): Promise<BatchResult> {
    this.idle?.use();
    const key = versionKey(batch.version);
    const pausedMs = this.breaker.pausedForMs(key, this.clock.monotonicMs());
    if (pausedMs > 0) throw unavailable(batch.version, pausedMs);
    this.versions.set(key, batch.version);
    return this.dispatcher.run(batch);
  }

  override room(version: ModelVersion): Room {
    return this.dispatcher.room(version);
  }

  override serve(source: WorkSource): void {
    this.source = source;
  }

  override async unload(version: ModelVersion): Promise<void> {
    const key = versionKey(version);
    await this.dispatcher.quiet(key);
    await this.loader.unload(key);
    this.versions.delete(key);
  }

  override status(): ExecutorStatus {
    return {
      slots: this.pool.all.map((slot) => ({
        state: slot.state,
        ...(slot.pid !== undefined && { pid: slot.pid }),
        holds: [...slot.holds.keys()],
        ...(slot.doing !== undefined && { doing: slot.doing }),
      })),
      concurrency: this.concurrency,
      ...this.dispatcher.counts,
      resident: this.loader.residents(),
      restarts: this.pool.restarts,
    };
  }

  override close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    this.idle?.close();
    this.loader.close();
    await this.dispatcher.close();
    await this.pool.close();
  }

  private watchIdle(idleMs: number): IdleWatch {
    return new IdleWatch({
      clock: this.clock,
      idleMs,
      isBusy: () => this.loader.isLoading || this.dispatcher.counts.running + this.dispatcher.counts.waiting > 0,
      wake: () => this.pool.wake(),
      sleep: () => {
        this.loader.evictAll();
        this.pool.sleep();
      },
    });
  }

  /** Upkeep first: a release makes room that others wait for, and takes no time. */
  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    try {
      this.loader.pump();
      this.dispatcher.pump();
    } finally {
      this.pumping = false;
    }
    this.source.onFree();
  }

  private onDeath(slot: Slot, cause: DeathCause, doing: string | undefined): void {
    if (cause !== 'replaced') this.onCrash({ cause, doing });
    if (doing !== undefined && mayBlame(cause) && this.breaker.died(doing, this.clock.monotonicMs())) {
      this.giveUp(doing);
    }
    this.loader.restore(slot);
    this.pump();
  }

  /** The version killed too many processes: it is unavailable until a trial in a process of its own succeeds. */
  private giveUp(key: string): void {
    const version = this.versions.get(key);
    if (!version) return;
    this.report(version, { state: 'failed', reason: 'crash_loop: the processes that run it die again and again.' });
    this.dispatcher.refuse(key, unavailable(version, this.breaker.pausedForMs(key, this.clock.monotonicMs())));
    void this.loader.release(key);
  }
}

function starter(
  options: ChildProcessExecutorOptions,
  { clock, log }: { readonly clock: Clock; readonly log: (line: string) => void },
): StartChild {
  const child = {
    entryPath: options.entryPath ?? defaultEntryPath(),
    modelDirectory: options.modelDirectory,
    environment: options.environment ?? {},
    clock,
    onLine: (line: string) => log(`executor output: ${line}`),
  };
  return (events) => startChild(child, events);
}
