import { type Clock, QuaysideError } from '@app/core';
import { type ModelVersion, type VersionReport, versionKey } from '@app/model-registry';
import type { BatchVerdict } from '../tasks/batch-check';
import type { CrashBreaker } from './crash-policy';
import type { LoadedModel } from './executor';
import type { ExecutorTimings } from './executor-options';
import type { Prober, Verdict } from './probe';
import { noRoom, shuttingDown, unavailable } from './refusals';
import { type ResidencyLimits, expectedBytes, planRoom } from './residency';
import { type Entry, ResidentAccount } from './resident-account';
import type { OpenedModel, Slot } from './slot';
import { SlotDeath, loadFailure } from './slot-death';
import type { SlotPool } from './slot-pool';
import { SlotState } from './slot-state';
import { SlotTurns, coldestFirst } from './slot-turns';

/** What a loader works with. */
export interface ModelLoaderOptions {
  readonly pool: SlotPool;
  readonly prober: Prober;
  readonly breaker: CrashBreaker;
  readonly clock: Clock;
  readonly timings: ExecutorTimings;
  readonly limits: ResidencyLimits;
  /** Whether batches of the version run or wait. */
  readonly isInDemand: (key: string) => boolean;
  readonly report: (version: ModelVersion, report: VersionReport) => void;
  readonly log: (line: string) => void;
  /** What is loaded has changed. */
  readonly onChange: () => void;
}

/** How long no further copy of a version is tried after one failed. */
const COPY_PAUSE_MS = 60_000;
/** Below this, a release cannot be told from the process's own ups and downs. */
const NOTICEABLE_BYTES = 32 * 1024 * 1024;

/**
 * Brings versions into the processes of a pool and out again. One load per version at a time, however many ask; a load
 * goes to the process with the least recent traffic, so that a cold model never holds up a hot one. It owns the account
 * of what is resident: a version counts from the moment room is made for it until its last copy is released.
 */
export class ModelLoader {
  private readonly account = new ResidentAccount();
  private readonly loads = new Map<string, Promise<LoadedModel>>();
  private readonly leaving = new Map<string, Promise<void>>();
  /** Of every version that was loaded since the start: they are few and small. */
  private readonly verdicts = new Map<string, BatchVerdict>();
  private readonly copying = new Set<string>();
  private readonly turns: SlotTurns;
  private readonly announced = new Map<string, number>();
  private closed = false;

  constructor(private readonly options: ModelLoaderOptions) {
    this.turns = new SlotTurns(options);
  }

  /**
   * Resolves when a process holds the version, and reports each step on the way. Throws model_load_failed, model_capacity,
   * model_unavailable, shutting_down.
   */
  async load(version: ModelVersion): Promise<LoadedModel> {
    const key = versionKey(version);
    this.announced.set(key, (this.announced.get(key) ?? 0) + 1);
    try {
      const loaded = await this.loadUnreported(version);
      this.options.report(version, { signature: loaded.signature });
      return loaded;
    } finally {
      this.announced.set(key, (this.announced.get(key) ?? 1) - 1);
      if (this.announced.get(key) === 0) this.announced.delete(key);
    }
  }

  /** As `load`, for what was ready before and is brought back: nobody is told of its steps. */
  loadUnreported(version: ModelVersion): Promise<LoadedModel> {
    const key = versionKey(version);
    if (this.closed) return Promise.reject(shuttingDown());
    const held = this.modelOf(key);
    const verdict = this.verdicts.get(key);
    if (held && verdict && !this.leaving.has(key)) return Promise.resolve({ ...held, batching: verdict });
    const current = this.loads.get(key);
    if (current) return current;
    const load = this.bring(version).finally(() => {
      this.loads.delete(key);
      this.options.onChange();
    });
    this.loads.set(key, load);
    return load;
  }

  /** Releases every copy of the version, once what loads it is done; unknown ones are fine. */
  async unload(key: string): Promise<void> {
    await this.loads.get(key)?.catch(() => {});
    await this.release(key);
  }

  /** Releases what processes hold of the version now; a load of it that is under way decides its own end. */
  release(key: string): Promise<void> {
    const current = this.leaving.get(key);
    if (current) return current;
    const slots = this.options.pool.slots.filter((slot) => slot.holds.has(key));
    const release = Promise.all(slots.map((slot) => this.releaseFrom(slot, key))).then(() => {
      this.leaving.delete(key);
      this.account.remove(key);
      this.options.onChange();
    });
    this.leaving.set(key, release);
    return release;
  }

  /** Whether a version is being loaded. */
  get isLoading(): boolean {
    return this.loads.size > 0;
  }

  /** Lets go of every version. Those that are wanted again are loaded anew. */
  evictAll(): void {
    for (const { key } of this.residents()) this.evict(key);
  }

  /** Notes that the version is used now. */
  touch(key: string): void {
    this.account.touch(key);
  }

  /** Whether a process holds the version. */
  isHeld(key: string): boolean {
    return this.modelOf(key) !== undefined;
  }

  /** Puts one more copy of a version that has more work than its processes do into an idle process, if there is room. */
  extend(version: ModelVersion, mostCopies: number): void {
    const key = versionKey(version);
    const entry = this.account.get(key);
    const slot = this.options.pool.slots.filter((other) => other.state === SlotState.Idle && !other.holds.has(key));
    const target = coldestFirst(slot)[0];
    if (!entry || !target || this.copying.has(key) || this.leaving.has(key)) return;
    if (entry.copies >= mostCopies || this.options.clock.monotonicMs() < entry.copyAfterMs) return;
    if (this.account.bytes + entry.bytesPerCopy > this.options.limits.budgetBytes) return;
    this.copying.add(key);
    void this.copy(entry, target);
  }

  /** Loads again what a dead process held and no other holds: pinned versions first, then by recent use. */
  restore(dead: Slot): void {
    for (const key of dead.holds.keys()) {
      const entry = this.account.get(key);
      if (entry) entry.copies = this.copiesOf(key);
    }
    const lost = this.account.list(() => false).filter(({ key }) => dead.holds.has(key) && !this.isHeld(key));
    const inOrder = lost.toSorted((a, b) => Number(b.pinned) - Number(a.pinned) || b.lastUse - a.lastUse);
    for (const { key } of inOrder) this.restoreOne(this.account.get(key)!.version);
  }

  /** Begins what can begin now; called whenever a process may have become idle. */
  pump(): void {
    this.turns.pump();
  }

  /** What is resident, least recently used first. */
  residents(): readonly { readonly key: string; readonly bytes: number; readonly pinned: boolean }[] {
    return this.account.list(() => false).map(({ key, bytes, pinned }) => ({ key, bytes, pinned }));
  }

  /** Refuses loads from now on; those that wait for a process fail. */
  close(): void {
    this.closed = true;
    this.options.prober.close();
    this.pump();
  }

  private async bring(version: ModelVersion): Promise<LoadedModel> {
    const { pool, prober, breaker, clock } = this.options;
    const key = versionKey(version);
    const pausedMs = breaker.pausedForMs(key, clock.monotonicMs());
    if (pausedMs > 0) throw unavailable(version, pausedMs);
    await this.leaving.get(key);
    const engine = await pool.engineVersion();
    const known = breaker.isOpen(key) ? undefined : await prober.find(version, engine);
    try {
      await this.makeRoom(version, known?.residentBytes ?? expectedBytes(version.files.all));
      const { batching } = known ?? (await this.probe(version, engine));
      this.verdicts.set(key, batching);
      return { ...(await this.open(version)), batching };
    } catch (error) {
      if (this.isHeld(key)) await this.release(key);
      else this.account.remove(key);
      throw this.closed ? shuttingDown() : loadFailure(error);
    }
  }

  private async probe(version: ModelVersion, engine: string): Promise<Verdict> {
    this.announce(version, 'probing');
    const verdict = await this.options.prober.probe(version, engine);
    this.options.breaker.passed(versionKey(version));
    await this.makeRoom(version, verdict.residentBytes);
    return verdict;
  }

  /** Makes an entry for the version, after those that must go for it have gone. */
  private async makeRoom(version: ModelVersion, bytes: number): Promise<void> {
    const key = versionKey(version);
    const others = this.account.list((other) => this.isBusy(other));
    const staying = others.filter((other) => other.key !== key && !this.leaving.has(other.key));
    const plan = planRoom(staying, { model: version.model, bytes }, this.options.limits);
    if (plan.room === 'never') throw new QuaysideError('model_load_failed', 'It is larger than the memory for models.');
    if (plan.room === 'later') throw noRoom(version);
    this.account.admit(version, bytes);
    for (const victim of plan.evict) this.evict(victim);
    while (this.account.bytes > this.options.limits.budgetBytes && this.leaving.size > 0) {
      await Promise.race(this.leaving.values());
    }
  }

  /** Opens the version in a process; one that dies of it, or is killed meanwhile, is replaced by another once. */
  private async open(version: ModelVersion): Promise<OpenedModel> {
    this.announce(version, 'loading');
    const first = await this.openOnce(version).catch((error: unknown) => error);
    const again = isChance(first) && !this.options.breaker.isOpen(versionKey(version));
    const loaded = again ? await this.openOnce(version) : first;
    if (loaded instanceof Error) throw loaded;
    const model = loaded as OpenedModel;
    await this.makeRoom(version, model.residentBytes);
    const { instances } = version.manifest.execution;
    if (instances !== 'auto') this.extend(version, instances);
    return model;
  }

  private openOnce(version: ModelVersion): Promise<OpenedModel> {
    const key = versionKey(version);
    return this.turns.take({
      choose: () => this.turns.coldest(key),
      begin: (slot) => slot.load(version, { onOpen: () => this.announce(version, 'warming') }),
      isVoid: () => this.closed,
      otherwise: () => Promise.reject(shuttingDown()),
    });
  }

  private async copy(entry: Entry, slot: Slot): Promise<void> {
    const { version } = entry;
    const key = versionKey(version);
    entry.copies += 1;
    try {
      await slot.load(version);
    } catch (error) {
      entry.copyAfterMs = this.options.clock.monotonicMs() + COPY_PAUSE_MS;
      this.options.log(`a further copy of ${version.model} could not be loaded: ${String(error)}`);
    }
    this.copying.delete(key);
    entry.copies = this.copiesOf(key);
    // It may have been released meanwhile.
    if (this.account.get(key) !== entry) return this.releaseFrom(slot, key);
    const { instances } = version.manifest.execution;
    if (instances !== 'auto') this.extend(version, instances);
  }

  private restoreOne(version: ModelVersion): void {
    const key = versionKey(version);
    if (this.closed || this.leaving.has(key) || this.options.breaker.isOpen(key)) return;
    this.loadUnreported(version).catch((error: unknown) => {
      if (this.closed) return;
      this.options.report(version, { state: 'failed', reason: error instanceof Error ? error.message : String(error) });
    });
  }

  private evict(key: string): void {
    const entry = this.account.get(key);
    if (entry) this.options.report(entry.version, { state: 'known' });
    void this.release(key);
  }

  /** A process that does not give the memory back is replaced. A process that dies gives it back, too. */
  private async releaseFrom(slot: Slot, key: string): Promise<void> {
    const bytes = this.account.get(key)?.bytesPerCopy ?? 0;
    const freed = await this.turns
      .take({
        choose: () => (slot.state === SlotState.Idle ? slot : undefined),
        begin: () => slot.unload(key),
        isVoid: () => !slot.isAlive || !slot.holds.has(key),
        otherwise: () => Promise.resolve(bytes),
      })
      .catch(() => bytes);
    if (bytes > NOTICEABLE_BYTES && freed < bytes / 2) this.options.pool.recycle(slot, 'it kept the memory of a model');
  }

  private isBusy(key: string): boolean {
    return this.loads.has(key) || this.copying.has(key) || this.options.isInDemand(key);
  }

  private modelOf(key: string): OpenedModel | undefined {
    return this.options.pool.slots.find((slot) => slot.holds.has(key))?.holds.get(key);
  }

  private copiesOf(key: string): number {
    return this.options.pool.slots.filter((slot) => slot.holds.has(key)).length;
  }

  private announce(version: ModelVersion, state: 'probing' | 'loading' | 'warming'): void {
    if (this.announced.has(versionKey(version))) this.options.report(version, { state });
  }
}

/** A death that need not be the version's fault. */
function isChance(outcome: unknown): boolean {
  return outcome instanceof SlotDeath && outcome.deathCause !== 'load_timeout';
}
