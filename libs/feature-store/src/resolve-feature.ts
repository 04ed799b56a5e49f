import type { StoredValue } from '@app/core';
import type { FeatureStatus } from './feature-store';
import type { StoredRow } from './rows/feature-reader';
import type { Feature, FeaturePolicies, FeatureView } from './views/feature-view';

/** A feature that is wanted, with the policies that hold for whoever wants it. */
export interface WantedFeature extends FeaturePolicies {
  readonly name: string;
  /** Of the pinned version; absent: never stale. */
  readonly maxAgeUs?: bigint;
  readonly default?: StoredValue;
}

/** Why there is no value. */
export type FeatureRefusal = 'feature_missing' | 'feature_stale' | 'features_unavailable';

/** What a feature is for one entity: what was found, and what it becomes. */
export interface ResolvedFeature {
  /** Null when the read did not happen, which `reason` then says. */
  readonly status: FeatureStatus | null;
  readonly reason?: 'timeout';
  readonly eventTsUs?: bigint;
  /** Where `value` comes from; `store` also where there is none. */
  readonly source: 'store' | 'default';
  /** Null where there is none, and then `refusal` says why. */
  readonly value: StoredValue | null;
  readonly refusal?: FeatureRefusal;
}

/** What somebody else than the view's author decides, such as a model's column. */
export type PolicyOverrides = Partial<FeaturePolicies> & Pick<WantedFeature, 'default'>;

/** The feature as this view's version has it, where nobody decides otherwise. */
export function wantedOf(view: FeatureView, feature: Feature, overrides: PolicyOverrides = {}): WantedFeature {
  const whenAbsent = overrides.default ?? feature.default;
  // Who brings a default means it to be used.
  const onMissing = overrides.onMissing ?? (overrides.default === undefined ? feature.onMissing : 'default');
  return {
    name: feature.name,
    ...(view.maxAgeUs !== undefined && { maxAgeUs: view.maxAgeUs }),
    ...(whenAbsent !== undefined && { default: whenAbsent }),
    onMissing,
    onStale: overrides.onStale ?? feature.onStale,
    onTimeout: overrides.onTimeout ?? feature.onTimeout,
  };
}

/**
 * What a feature is, by what was read. `row` is undefined where the entity has none. Age is judged before null: a row
 * that is too old says nothing about now, not even that there is no value.
 */
export function resolveFeature(
  wanted: WantedFeature,
  row: StoredRow | 'timeout' | undefined,
  nowUs: bigint,
): ResolvedFeature {
  if (row === 'timeout') return timedOut(wanted);
  if (row === undefined) return missing(wanted, { status: 'NOT_FOUND' });
  const { eventTsUs } = row;
  const value = Object.hasOwn(row.values, wanted.name) ? (row.values[wanted.name] ?? null) : null;
  const isStale = wanted.maxAgeUs !== undefined && nowUs - eventTsUs > wanted.maxAgeUs;
  if (isStale) return stale(wanted, { status: 'OUTSIDE_MAX_AGE', eventTsUs }, value);
  if (value === null) return missing(wanted, { status: 'NULL_VALUE', eventTsUs });
  return { status: 'PRESENT', eventTsUs, source: 'store', value };
}

type Found = Pick<ResolvedFeature, 'status' | 'reason' | 'eventTsUs'>;

function stale(wanted: WantedFeature, found: Found, value: StoredValue | null): ResolvedFeature {
  if (wanted.onStale === 'error') return refused(found, 'feature_stale');
  if (wanted.onStale === 'default') return orDefault(wanted, found, 'feature_stale');
  // A row that is served though it is old may still lack this feature.
  if (wanted.onStale === 'serve' && value !== null) return { ...found, source: 'store', value };
  return missing(wanted, found);
}

function missing(wanted: WantedFeature, found: Found): ResolvedFeature {
  if (wanted.onMissing === 'nan') return { ...found, source: 'default', value: NaN };
  if (wanted.onMissing === 'default') return orDefault(wanted, found, 'feature_missing');
  return refused(found, 'feature_missing');
}

function timedOut(wanted: WantedFeature): ResolvedFeature {
  const found = { status: null, reason: 'timeout' } as const;
  if (wanted.onTimeout === 'defaults') return orDefault(wanted, found, 'features_unavailable');
  return refused(found, 'features_unavailable');
}

function orDefault(wanted: WantedFeature, found: Found, refusal: FeatureRefusal): ResolvedFeature {
  if (wanted.default === undefined) return refused(found, refusal);
  return { ...found, source: 'default', value: wanted.default };
}

function refused(found: Found, refusal: FeatureRefusal): ResolvedFeature {
  return { ...found, source: 'store', value: null, refusal };
}
