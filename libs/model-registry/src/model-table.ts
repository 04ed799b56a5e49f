import { type Clock, type ModelReference, QuaysideError, type Timer, isQuaysideError } from '@app/core';
import {
  ModelRegistry,
  type ModelStatus,
  type ServingCheck,
  type ServingStep,
  type VersionReport,
} from './model-registry';
import type { ModelVersion } from './model-version';
import { type ModelSettings, ServedModel } from './served-model';
import type { FoundVersion, VersionEntry, VersionMove } from './version-entry';

/** How a table is made. */
export interface ModelTableOptions {
  readonly clock: Clock;
  /** Told of every change of a state. */
  readonly onMove?: (move: VersionMove) => void;
  /** Told what went wrong outside of any version's state. */
  readonly onProblem?: (message: string, cause?: unknown) => void;
  /** Pauses between trials of a version that failed: the first, doubled each time, up to the longest. Default 1 s, 60 s. */
  readonly retry?: { readonly firstMs: number; readonly longestMs: number };
}

/** Refusals that say nothing against the version. */
const NOT_ITS_FAULT: readonly string[] = ['model_capacity', 'shutting_down'];

/**
 * The registry without a folder: whoever extends it puts what exists into it with `replace`. The table then sees to it
 * that what should serve does, after every change and never by polling:
 *
 *   a version appears    pinned, or an older one serves → its checks run at once; else at the first request
 *   it becomes ready     it answers from then on; what it replaces drains, is released, and is forgotten or known again
 *   it fails             the next newest serves; it is tried again after a pause, as if it had just appeared
 *   it disappears        it drains and is released
 */
export class ModelTable extends ModelRegistry {
  private readonly models = new Map<string, ServedModel>();
  private readonly checks: Record<ServingStep, ServingCheck[]> = { load: [], bind: [] };
  private readonly releases: ((version: ModelVersion) => Promise<void>)[] = [];
  private readonly retries = new Map<VersionEntry, Timer>();
  private readonly retry: { readonly firstMs: number; readonly longestMs: number };
  private readonly onMove: (move: VersionMove) => void;
  private closed = false;

  constructor(private readonly options: ModelTableOptions) {
    super();
    this.retry = options.retry ?? { firstMs: 1000, longestMs: 60_000 };
    this.onMove = options.onMove ?? (() => undefined);
  }

  override resolve(reference: ModelReference): ModelVersion {
    return detailsOf(this.pick(reference));
  }

  override serving(reference: ModelReference): ModelVersion | undefined {
    const entry = this.pick(reference);
    return entry.state === 'ready' ? detailsOf(entry) : undefined;
  }

  override async serve(reference: ModelReference): Promise<ModelVersion> {
    const tried = new Set<VersionEntry>();
    for (;;) {
      const entry = this.pick(reference);
      if (entry.state === 'ready') return detailsOf(entry);
      if (tried.has(entry)) throw this.unavailable(reference.model, [entry]);
      tried.add(entry);
      try {
        return await this.attempt(entry);
      } catch (error) {
        // What failed is passed over by the next pick, which gives the next newest or says why there is none.
        if (!isQuaysideError(error) || error.code !== 'model_unavailable') throw error;
      }
    }
  }

  override list(): readonly ModelStatus[] {
    const now = this.now();
    return [...this.models.values()].map((model) => model.status(now)).sort((a, b) => (a.model < b.model ? -1 : 1));
  }

  override status(model: string): ModelStatus {
    return this.find(model).status(this.now());
  }

  override beforeServing(step: ServingStep, check: ServingCheck): void {
    this.checks[step].push(check);
  }

  override afterServing(release: (version: ModelVersion) => Promise<void>): void {
    this.releases.push(release);
  }

  override report(version: ModelVersion, report: VersionReport): void {
    const entry = this.models.get(version.model)?.entry(version);
    if (!entry) return;
    if ('signature' in report) entry.learn(report.signature);
    else if (report.state === 'failed') this.reportFailed(entry, report.reason);
    else if (report.state === 'known') this.reportEvicted(entry);
    // Progress counts only while checks run: a version that serves stays ready while another copy of it loads.
    else if (entry.isStarting && entry.state !== report.state) entry.move(report.state);
  }

  /** Takes what now exists of a model: every version, and what its own manifest says. No version means that it is gone. */
  protected replace(name: string, settings: ModelSettings, versions: readonly FoundVersion[]): void {
    const model = this.models.get(name) ?? new ServedModel(name, settings, this.onMove);
    this.models.set(name, model);
    model.replace(settings, versions);
    this.settle(model);
  }

  /** Ends all retries. What serves goes on serving; safe to call twice. */
  close(): Promise<void> {
    this.closed = true;
    for (const timer of this.retries.values()) timer.cancel();
    this.retries.clear();
    return Promise.resolve();
  }

  /** The one place where a change takes effect: drains what is no longer needed, forgets, starts what should serve. */
  private settle(model: ServedModel): void {
    for (const entry of model.superseded()) void this.drain(model, entry);
    for (const entry of model.forgettable()) {
      this.retries.get(entry)?.cancel();
      this.retries.delete(entry);
      model.forget(entry);
    }
    if (model.isEmpty) this.models.delete(model.name);
    if (this.closed) return;
    for (const entry of model.due()) {
      this.attempt(entry).catch((error: unknown) => {
        // A refusal is on the version by now; anything else is a defect of ours.
        if (!isQuaysideError(error))
          this.options.onProblem?.(`${entry.model}@${entry.version} broke its registry`, error);
      });
    }
  }

  /** The model of a name. Throws model_not_found. */
  protected find(name: string): ServedModel {
    const model = this.models.get(name);
    if (!model) throw new QuaysideError('model_not_found', `There is no model "${name}".`);
    return model;
  }

  private now(): { readonly monotonicMs: number; readonly epochMs: number } {
    const { clock } = this.options;
    return { monotonicMs: clock.monotonicMs(), epochMs: clock.epochMs() };
  }

  /** The entry that answers for a reference. Throws model_not_found, model_version_not_found, model_unavailable. */
  private pick(reference: ModelReference): VersionEntry {
    const model = this.find(reference.model);
    const found = reference.version === undefined ? model.defaultEntry() : model.entryOf(reference.version);
    if (found && found.state !== 'failed') return found;
    const failed = found ? [found] : reference.version === undefined ? model.failedEntries() : [];
    if (failed.length > 0) throw this.unavailable(reference.model, failed);
    throw new QuaysideError('model_version_not_found', model.explainMissing(reference.version));
  }

  private unavailable(model: string, failed: readonly VersionEntry[]): QuaysideError {
    const names = failed.map(({ version }) => version).join(', ');
    const now = this.options.clock.monotonicMs();
    const waits = failed.map(({ retryAtMs }) => (retryAtMs === undefined ? this.retry.longestMs : retryAtMs - now));
    const retryAfterMs = Math.max(1, Math.min(...waits));
    const message = `Model "${model}" cannot serve: version ${names} failed. The model's detail says why and when it is tried again.`;
    return new QuaysideError('model_unavailable', message, { retryAfterMs });
  }

  /** Runs the checks of a version, once however many ask. */
  private attempt(entry: VersionEntry): Promise<ModelVersion> {
    entry.flight ??= this.runChecks(entry).finally(() => {
      entry.flight = undefined;
      this.settleModelOf(entry);
    });
    return entry.flight;
  }

  private async runChecks(entry: VersionEntry): Promise<ModelVersion> {
    // A version that is wanted again while it drains does not wait for its release: whoever runs it loads it as needed.
    if (entry.state === 'draining') entry.move('known');
    this.cancelRetry(entry);
    entry.move('probing');
    try {
      for (const check of [...this.checks.load, ...this.checks.bind]) await check(detailsOf(entry));
    } catch (error) {
      throw this.refused(entry, error);
    }
    if (!entry.isStarting) throw this.unavailable(entry.model, [entry]);
    entry.failures = 0;
    entry.move('ready');
    return detailsOf(entry);
  }

  /** Notes a check's refusal on the version, and gives the error for those who wait. */
  private refused(entry: VersionEntry, error: unknown): Error {
    const known = isQuaysideError(error);
    if (known && NOT_ITS_FAULT.includes(error.code)) {
      entry.move('known', { reason: error.message });
      this.scheduleRetry(entry);
      return error;
    }
    // The text of a defect may hold paths or values, so it goes to the log only.
    if (entry.isStarting) this.markFailed(entry, known ? error.message : 'A defect in the server; see its log.', error);
    return this.unavailable(entry.model, [entry]);
  }

  private reportFailed(entry: VersionEntry, reason: string): void {
    if (entry.state === 'failed' || entry.state === 'draining') return;
    this.markFailed(entry, reason);
    this.settleModelOf(entry);
  }

  private reportEvicted(entry: VersionEntry): void {
    if (entry.state !== 'ready') return;
    entry.move('known');
    this.settleModelOf(entry);
  }

  private markFailed(entry: VersionEntry, reason: string, cause?: unknown): void {
    entry.move('failed', { reason, cause });
    entry.failures++;
    this.scheduleRetry(entry);
    void this.release(detailsOf(entry));
  }

  private scheduleRetry(entry: VersionEntry): void {
    this.cancelRetry(entry);
    if (this.closed) return;
    const { firstMs, longestMs } = this.retry;
    const delayMs = Math.min(longestMs, firstMs * 2 ** Math.max(0, entry.failures - 1));
    entry.retryAtMs = this.options.clock.monotonicMs() + delayMs;
    const again = (): void => {
      this.cancelRetry(entry);
      if (entry.state === 'failed') entry.move('known');
      this.settleModelOf(entry);
    };
    this.retries.set(entry, this.options.clock.setTimer(delayMs, again));
  }

  private cancelRetry(entry: VersionEntry): void {
    this.retries.get(entry)?.cancel();
    this.retries.delete(entry);
    entry.retryAtMs = undefined;
  }

  private async drain(model: ServedModel, entry: VersionEntry): Promise<void> {
    entry.move('draining');
    await this.release(detailsOf(entry));
    if (entry.state === 'draining') entry.move('known');
    this.settle(model);
  }

  private async release(version: ModelVersion): Promise<void> {
    const outcomes = await Promise.allSettled(this.releases.map(async (release) => release(version)));
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        this.options.onProblem?.(`${version.model}@${version.version} was not released`, outcome.reason);
      }
    }
  }

  private settleModelOf(entry: VersionEntry): void {
    const model = this.models.get(entry.model);
    if (model) this.settle(model);
  }
}

function detailsOf(entry: VersionEntry): ModelVersion {
  if (!entry.details) throw new Error(`${entry.model}@${entry.version} has no details`);
  return entry.details;
}
