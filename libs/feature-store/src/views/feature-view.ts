import type { StoredDtype, StoredValue } from '@app/core';

/** What a feature becomes where there is none: its default, an error, or NaN (floats only). */
export type OnMissing = 'default' | 'error' | 'nan';
/** What a feature older than its view's `maxAgeUs` becomes: missing, its default, itself, or an error. */
export type OnStale = 'missing' | 'default' | 'serve' | 'error';
/** What happens when the read did not end in time: an error, or defaults. */
export type OnTimeout = 'error' | 'defaults';
/** What the prediction log keeps of a value. */
export type FieldTag = 'keep' | 'drop' | 'mask' | 'hash' | `truncate(${number})`;

/** What a view's author decided about the values that are not there; a model's column may decide otherwise. */
export interface FeaturePolicies {
  readonly onMissing: OnMissing;
  readonly onStale: OnStale;
  readonly onTimeout: OnTimeout;
}

/** One feature of a view. Within its view it keeps its dtype and shape for ever, over all versions. */
export interface Feature extends FeaturePolicies {
  readonly name: string;
  readonly dtype: StoredDtype;
  /** Of an array, every dimension fixed; absent: a single value. */
  readonly shape?: readonly number[];
  readonly default?: StoredValue;
  /** What the prediction log keeps of it, where a model says nothing. */
  readonly pii?: FieldTag;
}

/** One join key of a view; never a float. */
export interface Entity {
  readonly name: string;
  readonly dtype: StoredDtype;
}

/** One version of a feature view, with every default filled in. Frozen: other content is another version. */
export interface FeatureView {
  readonly name: string;
  readonly version: number;
  /** Sorted by name, as in the entity key; the same in all versions of a view. */
  readonly entities: readonly Entity[];
  /** How old a row may be, in microseconds; absent: never stale. */
  readonly maxAgeUs?: bigint;
  /** Sorted by name. */
  readonly features: readonly Feature[];
  /** How long rows are kept, in microseconds; absent: for ever. */
  readonly retention: { readonly onlineUs?: bigint; readonly historyUs?: bigint };
  readonly owner?: string;
  readonly description?: string;
  /** SHA-256 in hex over what may not change under this number: entities, features with their policies, `maxAgeUs`. */
  readonly contentHash: string;
}

/** How a view's version is written wherever one is named: `user_stats@3`. */
export function viewReference(view: Pick<FeatureView, 'name' | 'version'>): string {
  return `${view.name}@${view.version}`;
}
