import { type FeatureView, viewReference } from '../views/feature-view';
import { type FeatureViews, type ViewFault, typeText } from '../views/feature-views';
import { writeDuration } from '../views/duration';
import { type RecordedContent, type RecordedFeature, recordContent } from '../views/view-content';
import { canonicalJson } from '../views/canonical-json';

/** A version as the store has recorded it. */
export interface RecordedVersion {
  readonly view: string;
  readonly version: number;
  readonly contentHash: string;
  readonly content: RecordedContent;
}

/** A declared version as applying records it. */
export function recordedVersion(view: FeatureView): RecordedVersion {
  const content = JSON.parse(canonicalJson(recordContent(view))) as RecordedContent;
  return { view: view.name, version: view.version, contentHash: view.contentHash, content };
}

/** What applying does to one version. */
export interface PlannedChange {
  readonly view: string;
  readonly version: number;
  /** `create`: it is new. `update`: owner, description, retention or `pii` change. `refuse`: its content may not change. */
  readonly kind: 'create' | 'update' | 'unchanged' | 'refuse';
  /** What differs, a line each; for a new version from the one before. For `refuse` also why. */
  readonly says: readonly string[];
}

/** What applying the declared views does, or has done. */
export interface FeaturePlan {
  /** Every declared version, by name and number. */
  readonly changes: readonly PlannedChange[];
  /** Documents that declare nothing because of a fault, a sentence each. */
  readonly faults: readonly string[];
  /** Whether something may not be applied: then nothing is. */
  readonly isRefused: boolean;
}

/** Compares what a folder declares with what is recorded. */
export function planFeatures(views: FeatureViews, recorded: readonly RecordedVersion[]): FeaturePlan {
  const changes = views.all().map((view) =>
    planVersion(
      view,
      recorded.filter((other) => other.view === view.name),
    ),
  );
  const faults = views.faults.map(sentenceOf);
  return { changes, faults, isRefused: faults.length > 0 || changes.some(({ kind }) => kind === 'refuse') };
}

/** A fault of a folder with its place. */
export function sentenceOf({ at, says }: ViewFault): string {
  return `${at}: ${says}`;
}

function planVersion(view: FeatureView, recorded: readonly RecordedVersion[]): PlannedChange {
  const { name, version } = view;
  const known = recorded.find((other) => other.version === version);
  const declared = recordedVersion(view).content;
  const refusals = known ? changedContent(view, known) : newcomerFaults(view, recorded);
  const before =
    known ??
    recorded
      .filter((other) => other.version < version)
      .sort(byVersion)
      .at(-1);
  const says = [...refusals, ...differences(before?.content, declared)];
  if (refusals.length > 0) return { view: name, version, kind: 'refuse', says };
  if (!known) return { view: name, version, kind: 'create', says };
  return { view: name, version, kind: sameRecord(known.content, declared) ? 'unchanged' : 'update', says };
}

function changedContent(view: FeatureView, known: RecordedVersion): string[] {
  if (known.contentHash === view.contentHash) return [];
  return [`${viewReference(view)} was applied with other content; a version never changes: write a new number`];
}

function newcomerFaults(view: FeatureView, recorded: readonly RecordedVersion[]): string[] {
  const twin = recorded.find(({ contentHash }) => contentHash === view.contentHash);
  if (twin) return [`${viewReference(view)} has the content of ${viewReference(toName(twin))}; pin that one`];
  const [any] = recorded;
  if (any && keysText(any.content) !== keysText(view)) {
    return [`${viewReference(view)} has other entities than ${viewReference(toName(any))}; give the view a new name`];
  }
  return view.features.flatMap((feature) => {
    const before = featureIn(recorded, feature.name);
    if (!before || typeText(before) === typeText(feature)) return [];
    const says = `is ${typeText(feature)}, and was ${typeText(before)}; a feature keeps its type for ever`;
    return [`"${feature.name}" ${says}: give it a new name`];
  });
}

/** What a reader of a plan sees: `+` is new, `-` is gone, `~` has changed. */
function differences(before: RecordedContent | undefined, after: RecordedContent): string[] {
  const old = new Map((before?.features ?? []).map((feature) => [feature.name, feature]));
  const lines = after.features.flatMap((feature) => {
    const other = old.get(feature.name);
    old.delete(feature.name);
    if (!other) return [`+ ${feature.name} ${typeText(feature)}`];
    return fieldChanges(other, feature).map((change) => `~ ${feature.name} ${change}`);
  });
  const gone = [...old.keys()].map((name) => `- ${name}`);
  return [...lines, ...gone, ...(before ? settingChanges(before, after) : [])];
}

function fieldChanges(before: RecordedFeature, after: RecordedFeature): string[] {
  const fields = ['dtype', 'shape', 'default', 'on_missing', 'on_stale', 'on_timeout', 'pii'] as const;
  return fields
    .filter((field) => canonicalText(before[field]) !== canonicalText(after[field]))
    .map((field) => `${field}: ${canonicalText(before[field])} → ${canonicalText(after[field])}`);
}

function settingChanges(before: RecordedContent, after: RecordedContent): string[] {
  const settings = (content: RecordedContent): readonly (readonly [string, string])[] => [
    ['max_age', durationText(content.max_age_us)],
    ['retention.online', durationText(content.retention?.online_us)],
    ['retention.history', durationText(content.retention?.history_us)],
    ['owner', content.owner ?? 'none'],
    ['description', content.description ?? 'none'],
  ];
  const was = new Map(settings(before));
  return settings(after)
    .filter(([name, text]) => was.get(name) !== text)
    .map(([name, text]) => `~ ${name}: ${was.get(name) ?? 'none'} → ${text}`);
}

function featureIn(recorded: readonly RecordedVersion[], name: string): RecordedFeature | undefined {
  return recorded.flatMap(({ content }) => content.features).find((feature) => feature.name === name);
}

function sameRecord(left: RecordedContent, right: RecordedContent): boolean {
  return canonicalText(left) === canonicalText(right);
}

function canonicalText(value: unknown): string {
  return value === undefined ? 'none' : canonicalJson(value as Parameters<typeof canonicalJson>[0]);
}

function durationText(micros: string | undefined): string {
  return micros === undefined ? 'none' : writeDuration(BigInt(micros));
}

function keysText({ entities }: Pick<FeatureView, 'entities'>): string {
  return entities.map(({ name, dtype }) => `${name} ${dtype}`).join(', ');
}

function toName({ view, version }: RecordedVersion): Pick<FeatureView, 'name' | 'version'> {
  return { name: view, version };
}

function byVersion(left: RecordedVersion, right: RecordedVersion): number {
  return left.version - right.version;
}
