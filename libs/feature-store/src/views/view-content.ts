import { createHash } from 'node:crypto';
import { type JsonValue, encodeStored } from '@app/core';
import { canonicalJson } from './canonical-json';
import type { Entity, Feature, FeatureView } from './feature-view';

/** What a version's content is, before it has a hash. */
export type ViewContent = Omit<FeatureView, 'name' | 'version' | 'contentHash'>;

/** A feature as it is recorded. `pii` is not part of the content. */
export interface RecordedFeature {
  readonly name: string;
  readonly dtype: string;
  readonly shape?: readonly number[];
  readonly default?: JsonValue;
  readonly on_missing: string;
  readonly on_stale: string;
  readonly on_timeout: string;
  readonly pii?: string;
}

/** A version as it is recorded beside its hash: the content, and what may change in place. */
export interface RecordedContent {
  readonly entities: readonly Entity[];
  readonly max_age_us?: string;
  readonly features: readonly RecordedFeature[];
  readonly retention?: { readonly online_us?: string; readonly history_us?: string };
  readonly owner?: string;
  readonly description?: string;
}

/** SHA-256 in hex of the canonical JSON of what may not change under a version's number. */
export function contentHash({ entities, features, maxAgeUs }: ViewContent): string {
  const content = compact({
    entities: entities.map(({ name, dtype }) => ({ name, dtype })),
    features: features.map(({ pii: _, ...feature }) => recordFeature(feature)),
    max_age_us: maxAgeUs?.toString(),
  });
  return createHash('sha256').update(canonicalJson(content)).digest('hex');
}

/** A version as its row holds it. */
export function recordContent({ retention, ...view }: ViewContent): JsonValue {
  return compact({
    entities: view.entities.map(({ name, dtype }) => ({ name, dtype })),
    max_age_us: view.maxAgeUs?.toString(),
    features: view.features.map(recordFeature),
    retention: compact({ online_us: retention.onlineUs?.toString(), history_us: retention.historyUs?.toString() }),
    owner: view.owner,
    description: view.description,
  });
}

function recordFeature(feature: Feature): JsonValue {
  return compact({
    name: feature.name,
    dtype: feature.dtype,
    shape: feature.shape && [...feature.shape],
    default: feature.default === undefined ? undefined : encodeStored(feature.dtype, feature.default),
    on_missing: feature.onMissing,
    on_stale: feature.onStale,
    on_timeout: feature.onTimeout,
    pii: feature.pii,
  });
}

/** Without what is undefined. */
function compact(fields: Readonly<Record<string, JsonValue | undefined>>): Readonly<Record<string, JsonValue>> {
  const present = Object.entries(fields).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined);
  return Object.fromEntries(present);
}
