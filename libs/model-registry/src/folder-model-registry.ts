import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { QuaysideError, type Timer, isQuaysideError } from '@app/core';
import { type Survey, surveyFolder } from './folder-survey';
import { type WrittenManifest, toManifest } from './manifest-schema';
import { ModelTable, type ModelTableOptions } from './model-table';
import type { ModelSettings, ServedModel } from './served-model';
import type { FoundVersion } from './version-entry';
import { readManifest, readVersion } from './version-reader';

/** How a registry over a folder is made. */
export interface FolderModelRegistryOptions extends ModelTableOptions {
  /** Holds `<model>/<version>/model.onnx`. */
  readonly directory: string;
  /** How often the folder is looked at, in milliseconds; 0: only at the start. */
  readonly pollIntervalMs: number;
  /**
   * Whether models that say `pinned` are loaded as soon as they are found, and stay; else they wait for their first call like
   * all others. Default true.
   */
  readonly loadsPinned?: boolean;
}

/** What is known of one model's folder. */
interface Taken {
  settings: ModelSettings;
  readonly versions: Map<string, FoundVersion>;
}

/** What a client is asked to wait while large files are read for the first time. */
const FIRST_LOOK_RETRY_MS = 1000;

const DEFAULT_SETTINGS: ModelSettings = { policy: { latest: 1 }, labels: {}, pinned: false };

/**
 * The models of a folder. It reads every version once at the start, and again whenever a poll finds its names, sizes
 * and times changed, and the same in two polls: so a copy that is under way is not read half. Requests never touch the
 * disk. While the folder itself cannot be read, everything stays as it was.
 */
export class FolderModelRegistry extends ModelTable {
  private readonly taken = new Map<string, Taken>();
  /** By `model/version`: the stamp that was read, and the one that the last look saw. */
  private readonly readStamps = new Map<string, string>();
  private lastStamps: ReadonlyMap<string, string> = new Map();
  private lastProblems: readonly string[] = [];
  private polling: Timer | undefined;
  private looking: Promise<void> = Promise.resolve();
  private hasLooked = false;
  private stopped = false;

  constructor(private readonly folder: FolderModelRegistryOptions) {
    super(folder);
  }

  /**
   * Resolves when the folder was read once; loads of pinned versions go on behind. Until then every model is
   * model_not_ready. Rejects when the folder cannot be read, and looks again all the same.
   */
  async start(): Promise<void> {
    const { directory } = this.folder;
    try {
      await readdir(directory).catch((cause: unknown) => {
        throw new Error(`The models folder "${directory}" is missing or cannot be read.`, { cause });
      });
      await this.refresh();
    } finally {
      this.schedule();
    }
  }

  /** Reads what changed at once, without a second look. */
  refresh(): Promise<void> {
    return this.queueLook('every');
  }

  /** Stops looking and retrying, and waits for a look that is under way; safe to call twice. */
  override async close(): Promise<void> {
    this.stopped = true;
    this.polling?.cancel();
    await super.close();
    await this.looking;
  }

  protected override find(name: string): ServedModel {
    if (this.hasLooked) return super.find(name);
    throw new QuaysideError('model_not_ready', 'The models folder is still being read. Try again shortly.', {
      retryAfterMs: FIRST_LOOK_RETRY_MS,
    });
  }

  private schedule(): void {
    const { clock, pollIntervalMs } = this.folder;
    if (pollIntervalMs === 0 || this.stopped) return;
    this.polling = clock.setTimer(pollIntervalMs, () => {
      const tell = (cause: unknown) => this.folder.onProblem?.('The models folder could not be looked at', cause);
      void this.queueLook('settled')
        .catch(tell)
        .finally(() => this.schedule());
    });
  }

  /** One look at a time: two would take the same change twice. */
  private queueLook(trust: 'every' | 'settled'): Promise<void> {
    const look = this.looking.then(() => this.look(trust));
    this.looking = look.catch(() => undefined);
    return look;
  }

  private async look(trust: 'every' | 'settled'): Promise<void> {
    const survey = await this.survey();
    if (!survey) return;
    const { stamps, unreadable } = survey;
    const isDue = (key: string): boolean => {
      const settled = trust === 'every' || this.lastStamps.get(key) === stamps.get(key);
      return settled && this.readStamps.get(key) !== stamps.get(key);
    };
    const due = [...new Set([...stamps.keys(), ...this.readStamps.keys()])].filter(isDue);
    const byModel = Object.groupBy(due, (key) => modelOf(key));
    for (const [model, keys = []] of Object.entries(byModel)) {
      if (!unreadable.includes(model) && !this.stopped) await this.take({ model, keys, stamps });
    }
    this.lastStamps = stamps;
    this.hasLooked = true;
  }

  /** Undefined when the folder cannot be read. Tells of each problem once, for as long as it lasts. */
  private async survey(): Promise<Survey | undefined> {
    const survey = await surveyFolder(this.folder.directory).catch((cause: unknown) => ({ cause }));
    const problems =
      'cause' in survey ? ['The models folder cannot be read; everything stays as it was'] : survey.problems;
    for (const problem of problems.filter((text) => !this.lastProblems.includes(text)))
      this.folder.onProblem?.(problem);
    this.lastProblems = problems;
    return 'cause' in survey ? undefined : survey;
  }

  private async take({ model, keys, stamps }: { model: string; keys: readonly string[]; stamps: Survey['stamps'] }) {
    const taken = this.taken.get(model) ?? { settings: DEFAULT_SETTINGS, versions: new Map<string, FoundVersion>() };
    try {
      const modelManifest = await this.readModelManifest(model);
      if (!('unreadable' in modelManifest)) taken.settings = this.settingsOf(modelManifest);
      for (const key of keys) {
        const version = key.slice(model.length + 1);
        const source = { root: this.folder.directory, model, version, modelManifest };
        if (stamps.has(key)) taken.versions.set(version, this.asLoaded(await readVersion(source)));
        else taken.versions.delete(version);
        this.remember(key, stamps.get(key));
      }
    } catch (cause) {
      // What was not read has no stamp yet, so the next look takes it again.
      this.folder.onProblem?.(`Model "${model}" could not be read`, cause);
    }
    if (taken.versions.size > 0) this.taken.set(model, taken);
    else this.taken.delete(model);
    this.replace(model, taken.settings, [...taken.versions.values()]);
  }

  /** A model's manifest that is wrong fails each version that is read from now on; what serves is not touched. */
  private async readModelManifest(model: string): Promise<WrittenManifest | { readonly unreadable: string }> {
    try {
      return await readManifest(join(this.folder.directory, model), 'model');
    } catch (error) {
      if (!isQuaysideError(error)) throw error;
      return { unreadable: `${error.message} (in the model's own model.yaml)` };
    }
  }

  private settingsOf(written: WrittenManifest): ModelSettings {
    const { versions, labels, pinned } = toManifest(written);
    return { policy: versions, labels, pinned: pinned && this.loadsPinned };
  }

  /** The digest stays that of the manifest as it is written: it is the same in every process. */
  private asLoaded(found: FoundVersion): FoundVersion {
    if (this.loadsPinned || 'reason' in found) return found;
    const { details } = found;
    return { ...found, details: { ...details, manifest: { ...details.manifest, pinned: false } } };
  }

  private get loadsPinned(): boolean {
    return this.folder.loadsPinned ?? true;
  }

  private remember(key: string, stamp: string | undefined): void {
    if (stamp === undefined) this.readStamps.delete(key);
    else this.readStamps.set(key, stamp);
  }
}

function modelOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}
