import type { ModelStatus, VersionStatus } from './model-registry';
import { type ModelVersion, versionKey } from './model-version';
import { type FoundVersion, VersionEntry, type VersionMove } from './version-entry';
import { type Candidate, type Choice, type Rules, chooseVersions, compareVersions } from './version-policy';

/** What the model's own manifest says of all its versions. */
export interface ModelSettings extends Rules {
  readonly pinned: boolean;
}

/** The same moment on both clocks. */
interface Now {
  readonly monotonicMs: number;
  readonly epochMs: number;
}

/** One version's name: the content that exists under it, and older ones that serve or drain. */
interface Contents {
  readonly version: string;
  /** What exists now; absent when it disappeared. */
  present: VersionEntry | undefined;
  readonly entries: VersionEntry[];
}

/** One model's versions and the choice among them. It answers what should happen; the table makes it happen. */
export class ServedModel {
  private readonly versions = new Map<string, Contents>();
  private choice: Choice | undefined;

  constructor(
    readonly name: string,
    private settings: ModelSettings,
    private readonly onMove: (move: VersionMove) => void,
  ) {}

  /** True once nothing of it exists, serves or drains. */
  get isEmpty(): boolean {
    return this.versions.size === 0;
  }

  /** Takes what exists now. Content that is already here stays as it is. */
  replace(settings: ModelSettings, versions: readonly FoundVersion[]): void {
    this.settings = settings;
    for (const contents of this.versions.values()) contents.present = undefined;
    for (const found of versions) {
      const contents = this.versions.get(found.version) ?? { version: found.version, present: undefined, entries: [] };
      this.versions.set(found.version, contents);
      contents.present = contents.entries.find((entry) => entry.isSame(found)) ?? this.enter(contents, found);
    }
    this.choice = undefined;
  }

  /** Removes a content that neither exists nor serves. */
  forget(entry: VersionEntry): void {
    const contents = this.versions.get(entry.version);
    if (!contents) return;
    contents.entries.splice(contents.entries.indexOf(entry), 1);
    if (contents.entries.length === 0) this.versions.delete(contents.version);
    this.choice = undefined;
  }

  /** The entry of a version with this content. */
  entry(version: ModelVersion): VersionEntry | undefined {
    const key = versionKey(version);
    return this.versions.get(version.version)?.entries.find(({ details }) => details && versionKey(details) === key);
  }

  /** What answers when no version is named. */
  defaultEntry(): VersionEntry | undefined {
    const { defaultVersion } = this.chosen();
    return defaultVersion === undefined ? undefined : answering(this.versions.get(defaultVersion));
  }

  /** What answers for a version or label; absent when there is none or the policy does not serve it. */
  entryOf(versionOrLabel: string): VersionEntry | undefined {
    const labelled = Object.hasOwn(this.settings.labels, versionOrLabel) ? this.settings.labels[versionOrLabel] : '';
    const contents = this.versions.get(versionOrLabel) ?? this.versions.get(labelled ?? '');
    const entry = answering(contents);
    return entry && (entry.state === 'failed' || this.serves(entry.version)) ? entry : undefined;
  }

  /** What exists and has failed, oldest version first. */
  failedEntries(): readonly VersionEntry[] {
    return this.inOrder().flatMap(({ present }) => (present?.state === 'failed' ? [present] : []));
  }

  /** What serves but should no longer: its newer content does, it disappeared, or the policy passed it by. */
  superseded(): readonly VersionEntry[] {
    return this.everyEntry().filter((entry) => {
      if (entry.state !== 'ready') return false;
      const present = this.versions.get(entry.version)?.present;
      const replaced = present !== entry && (present === undefined || present.state === 'ready');
      return replaced || !this.serves(entry.version);
    });
  }

  /** Content that no longer exists and does nothing any more. */
  forgettable(): readonly VersionEntry[] {
    return this.everyEntry().filter((entry) => {
      const idle = entry.flight === undefined && (entry.state === 'known' || entry.state === 'failed');
      return idle && this.versions.get(entry.version)?.present !== entry;
    });
  }

  /**
   * What should be made ready without a request: what is pinned, and what was never tried while an older version
   * serves or one stands in for it.
   */
  due(): readonly VersionEntry[] {
    const ready = this.everyEntry().filter((entry) => entry.state === 'ready');
    return this.everyEntry().filter((entry) => {
      const present = this.versions.get(entry.version)?.present === entry;
      const idle = entry.state === 'known' && entry.flight === undefined && entry.retryAtMs === undefined;
      if (!present || !idle || !this.serves(entry.version)) return false;
      if (this.settings.pinned || entry.details?.manifest.pinned) return true;
      const olderServes = ready.some(({ version }) => compareVersions(version, entry.version) <= 0);
      return !entry.proven && (olderServes || this.chosen().standIns.length > 0);
    });
  }

  /** A sentence for a caller whose version is not served, or who named none and there is none. */
  explainMissing(version: string | undefined): string {
    const { wanted, standIns, labelled } = this.chosen();
    const live = [...standIns, ...wanted, ...labelled].sort(compareVersions);
    const known = [...this.versions.keys()].sort(compareVersions).join(', ');
    if (version === undefined) {
      return `Model "${this.name}" serves none of its versions (${known}). Name them under "versions" in its model.yaml.`;
    }
    const fault = this.versions.has(version) ? 'does not serve version' : 'has no version or label';
    return `Model "${this.name}" ${fault} ${JSON.stringify(version.slice(0, 64))}. Live versions: ${live.join(', ') || 'none'}.`;
  }

  /** What the outside sees; `now` turns times of the monotonic clock into dates. */
  status(now: Now): ModelStatus {
    const all = this.inOrder();
    const created = all.flatMap(({ entries }) => entries.map(({ found }) => found.createdAtMs));
    return {
      model: this.name,
      pinned: this.settings.pinned || all.some((contents) => this.isPinned(contents)),
      defaultVersion: this.chosen().defaultVersion,
      labels: this.settings.labels,
      createdAtMs: Math.max(0, ...created),
      versions: all.map((contents) => this.versionStatus(contents, now)),
    };
  }

  private enter(contents: Contents, found: FoundVersion): VersionEntry {
    const entry = new VersionEntry(this.name, found, (move) => {
      this.choice = undefined;
      this.onMove(move);
    });
    contents.entries.push(entry);
    return entry;
  }

  private isPinned({ version, present }: Contents): boolean {
    return present?.details?.manifest.pinned === true && this.serves(version);
  }

  private versionStatus(contents: Contents, now: Now): VersionStatus {
    const shown = answering(contents) ?? contents.entries.at(-1);
    if (!shown) throw new Error(`${this.name}@${contents.version} has no entry`);
    const { present } = contents;
    // A changed content that does not serve is shown on the old one that still does.
    const trouble = present && present !== shown ? present : shown;
    const reason =
      trouble === shown || trouble.reason === '' ? trouble.reason : `The changed files do not serve: ${trouble.reason}`;
    const nextTrialAtMs =
      trouble.retryAtMs === undefined ? undefined : Math.round(now.epochMs + trouble.retryAtMs - now.monotonicMs);
    const { state, details } = shown;
    return { version: contents.version, state, reason, nextTrialAtMs, served: this.serves(contents.version), details };
  }

  private serves(version: string): boolean {
    const { wanted, standIns, labelled } = this.chosen();
    return wanted.includes(version) || standIns.includes(version) || labelled.includes(version);
  }

  private chosen(): Choice {
    this.choice ??= chooseVersions(this.settings, [...this.versions.values()].flatMap(toCandidate));
    return this.choice;
  }

  private inOrder(): readonly Contents[] {
    return [...this.versions.values()].sort((a, b) => compareVersions(a.version, b.version));
  }

  private everyEntry(): readonly VersionEntry[] {
    return [...this.versions.values()].flatMap(({ entries }) => entries);
  }
}

/** The content that answers for a version: the newest that is ready, else the one that exists. */
function answering(contents: Contents | undefined): VersionEntry | undefined {
  return contents?.present && (contents.entries.findLast((entry) => entry.state === 'ready') ?? contents.present);
}

function toCandidate(contents: Contents): Candidate[] {
  const entry = answering(contents);
  if (!entry) return [];
  const ready = entry.state === 'ready';
  const trial = entry.state === 'failed' ? 'failed' : entry.proven ? 'proven' : 'untried';
  return [{ version: contents.version, trial, ready }];
}
