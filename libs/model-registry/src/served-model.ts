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
interface Slot {
  readonly version: string;
  /** What exists now; absent when it disappeared. */
  present: VersionEntry | undefined;
  readonly entries: VersionEntry[];
}

/** One model's versions and the choice among them. It answers what should happen; the table makes it happen. */
export class ServedModel {
  private readonly slots = new Map<string, Slot>();
  private choice: Choice | undefined;

  constructor(
    readonly name: string,
    private settings: ModelSettings,
    private readonly onMove: (move: VersionMove) => void,
  ) {}

  /** True once nothing of it exists, serves or drains. */
  get isEmpty(): boolean {
    return this.slots.size === 0;
  }

  /** Takes what exists now. Content that is already here stays as it is. */
  replace(settings: ModelSettings, versions: readonly FoundVersion[]): void {
    this.settings = settings;
    for (const slot of this.slots.values()) slot.present = undefined;
    for (const found of versions) {
      const slot = this.slots.get(found.version) ?? { version: found.version, present: undefined, entries: [] };
      this.slots.set(found.version, slot);
      slot.present = slot.entries.find((entry) => entry.isSame(found)) ?? this.enter(slot, found);
    }
    this.choice = undefined;
  }

  /** Removes a content that neither exists nor serves. */
  forget(entry: VersionEntry): void {
    const slot = this.slots.get(entry.version);
    if (!slot) return;
    slot.entries.splice(slot.entries.indexOf(entry), 1);
    if (slot.entries.length === 0) this.slots.delete(slot.version);
    this.choice = undefined;
  }

  /** The entry of a version with this content. */
  entry(version: ModelVersion): VersionEntry | undefined {
    const key = versionKey(version);
    return this.slots.get(version.version)?.entries.find(({ details }) => details && versionKey(details) === key);
  }

  /** What answers when no version is named. */
  defaultEntry(): VersionEntry | undefined {
    const { defaultVersion } = this.chosen();
    return defaultVersion === undefined ? undefined : answering(this.slots.get(defaultVersion));
  }

  /** What answers for a version or label; absent when there is none or the policy does not serve it. */
  entryOf(versionOrLabel: string): VersionEntry | undefined {
    const labelled = Object.hasOwn(this.settings.labels, versionOrLabel) ? this.settings.labels[versionOrLabel] : '';
    const slot = this.slots.get(versionOrLabel) ?? this.slots.get(labelled ?? '');
    const entry = answering(slot);
    return entry && (entry.state === 'failed' || this.serves(entry.version)) ? entry : undefined;
  }

  failedEntries(): readonly VersionEntry[] {
    return this.sortedSlots().flatMap(({ present }) => (present?.state === 'failed' ? [present] : []));
  }

  /** What serves but should no longer: its newer content does, it disappeared, or the policy passed it by. */
  superseded(): readonly VersionEntry[] {
    return this.everyEntry().filter((entry) => {
      if (entry.state !== 'ready') return false;
      const present = this.slots.get(entry.version)?.present;
      const replaced = present !== entry && (present === undefined || present.state === 'ready');
      return replaced || !this.serves(entry.version);
    });
  }

  forgettable(): readonly VersionEntry[] {
    return this.everyEntry().filter((entry) => {
      const idle = entry.flight === undefined && (entry.state === 'known' || entry.state === 'failed');
      return idle && this.slots.get(entry.version)?.present !== entry;
    });
  }

  /**
   * What should be made ready without a request: what is pinned, and what was never tried while an older version
   * serves or one stands in for it.
   */
  due(): readonly VersionEntry[] {
    const ready = this.everyEntry().filter((entry) => entry.state === 'ready');
    return this.everyEntry().filter((entry) => {
      const present = this.slots.get(entry.version)?.present === entry;
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
    const known = [...this.slots.keys()].sort(compareVersions).join(', ');
    if (version === undefined) {
      return `Model "${this.name}" serves none of its versions (${known}). Name them under "versions" in its model.yaml.`;
    }
    const fault = this.slots.has(version) ? 'does not serve version' : 'has no version or label';
    return `Model "${this.name}" ${fault} ${JSON.stringify(version.slice(0, 64))}. Live versions: ${live.join(', ') || 'none'}.`;
  }

  status(now: Now): ModelStatus {
    const slots = this.sortedSlots();
    const created = slots.flatMap(({ entries }) => entries.map(({ found }) => found.createdAtMs));
    return {
      model: this.name,
      pinned: this.settings.pinned || slots.some((slot) => this.isPinned(slot)),
      defaultVersion: this.chosen().defaultVersion,
      labels: this.settings.labels,
      createdAtMs: Math.max(0, ...created),
      versions: slots.map((slot) => this.versionStatus(slot, now)),
    };
  }

  private enter(slot: Slot, found: FoundVersion): VersionEntry {
    const entry = new VersionEntry(this.name, found, (move) => {
      this.choice = undefined;
      this.onMove(move);
    });
    slot.entries.push(entry);
    return entry;
  }

  private isPinned({ version, present }: Slot): boolean {
    return present?.details?.manifest.pinned === true && this.serves(version);
  }

  private versionStatus(slot: Slot, now: Now): VersionStatus {
    const shown = answering(slot) ?? slot.entries.at(-1);
    if (!shown) throw new Error(`${this.name}@${slot.version} has no entry`);
    const { present } = slot;
    // A changed content that does not serve is shown on the old one that still does.
    const trouble = present && present !== shown ? present : shown;
    const reason =
      trouble === shown || trouble.reason === '' ? trouble.reason : `The changed files do not serve: ${trouble.reason}`;
    const nextTrialAtMs =
      trouble.retryAtMs === undefined ? undefined : Math.round(now.epochMs + trouble.retryAtMs - now.monotonicMs);
    const { state, details } = shown;
    return { version: slot.version, state, reason, nextTrialAtMs, served: this.serves(slot.version), details };
  }

  private serves(version: string): boolean {
    const { wanted, standIns, labelled } = this.chosen();
    return wanted.includes(version) || standIns.includes(version) || labelled.includes(version);
  }

  private chosen(): Choice {
    this.choice ??= chooseVersions(this.settings, [...this.slots.values()].flatMap(toCandidate));
    return this.choice;
  }

  private sortedSlots(): readonly Slot[] {
    return [...this.slots.values()].sort((a, b) => compareVersions(a.version, b.version));
  }

  private everyEntry(): readonly VersionEntry[] {
    return [...this.slots.values()].flatMap(({ entries }) => entries);
  }
}

/** The content that answers for a version: the newest that is ready, else the one that exists. */
function answering(slot: Slot | undefined): VersionEntry | undefined {
  return slot?.present && (slot.entries.findLast((entry) => entry.state === 'ready') ?? slot.present);
}

function toCandidate(slot: Slot): Candidate[] {
  const entry = answering(slot);
  if (!entry) return [];
  const ready = entry.state === 'ready';
  const trial = entry.state === 'failed' ? 'failed' : entry.proven ? 'proven' : 'untried';
  return [{ version: slot.version, trial, ready }];
}
