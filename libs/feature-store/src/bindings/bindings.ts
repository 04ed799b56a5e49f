import type { Dtype, JsonValue, StoredDtype, StoredScalar } from '@app/core';
import type { RequestField } from '../feature-store';
import type { WantedFeature } from '../resolve-feature';
import type { Entity } from '../views/feature-view';
import type { Cast } from './casts';
import type { ArgumentKind, Transform } from './transforms';

/** What a version's columns are bound to, compiled: nothing in it is looked up again for a request. */
export interface Bindings {
  /** In the model's order. */
  readonly columns: readonly BoundColumn[];
  /** Every view that columns need, and which do. */
  readonly needs: readonly ViewNeed[];
  /** What a request's row may have, by name. */
  readonly fields: ReadonlyMap<string, RequestField>;
}

/** A view, and the columns that cannot be had without it unless the request gives them. */
export interface ViewNeed {
  readonly view: BoundView;
  readonly columns: readonly BoundColumn[];
}

/** One column of the model. */
export interface BoundColumn {
  readonly name: string;
  /** Of the model's input. */
  readonly dtype: Dtype;
  /** Whether the model's column takes NaN and the infinities. */
  readonly takesNonFinite: boolean;
  readonly source: BoundSource;
  /** How a value is read that the request gives in place of the source; absent: it may not. */
  readonly override?: Reading;
  /** Stands in for what the source lacks; a feature's own is in its `WantedFeature`. */
  readonly fallback?: Fallback;
}

/** Where a column's value comes from. */
export type BoundSource =
  | { readonly kind: 'request'; readonly reading: Reading }
  | { readonly kind: 'feature'; readonly feature: BoundFeature; readonly cast: Cast }
  | { readonly kind: 'transform'; readonly call: BoundCall; readonly cast: Cast }
  | { readonly kind: 'const'; readonly value: GivenValue };

/** A value as the model's task reads it, and as it is logged. */
export interface GivenValue {
  readonly json: JsonValue;
  readonly logged: JsonValue;
}

/** A default of the column, and for which lacks it stands in. */
export interface Fallback extends GivenValue {
  readonly whenMissing: boolean;
  readonly whenTimedOut: boolean;
}

/** How a field of a request becomes a column's value. Without `typed` the model's task reads it as it is. */
export interface Reading {
  readonly field: string;
  readonly nullAsNan: boolean;
  readonly typed?: { readonly dtype: StoredDtype; readonly cast: Cast };
}

/** A feature of a pinned view. */
export interface BoundFeature {
  readonly view: BoundView;
  readonly dtype: StoredDtype;
  readonly wanted: WantedFeature;
}

/** A pinned view, and where in a request its key comes from. */
export interface BoundView {
  readonly name: string;
  /** `name@version`. */
  readonly reference: string;
  /** The join keys in the view's order, under the names of the request's fields. */
  readonly keyedBy: { readonly entities: readonly Entity[] };
}

/** A transform with its arguments. */
export interface BoundCall {
  readonly transform: Transform;
  readonly args: readonly BoundArgument[];
  /** Whether anything stored goes into it, which decides whose fault a value is that the model cannot take. */
  readonly isStored: boolean;
}

/** One argument of a transform. */
export type BoundArgument =
  | { readonly kind: 'literal'; readonly value: StoredScalar }
  | { readonly kind: 'request'; readonly field: string; readonly takes: ArgumentKind }
  | { readonly kind: 'feature'; readonly feature: BoundFeature; readonly cast: Cast }
  | { readonly kind: 'call'; readonly call: BoundCall; readonly cast: Cast };

/** The features of an argument or of a source, those of nested calls included. */
export function featuresIn(part: BoundSource | BoundArgument): readonly BoundFeature[] {
  if (part.kind === 'feature') return [part.feature];
  if (part.kind === 'transform' || part.kind === 'call') return part.call.args.flatMap(featuresIn);
  return [];
}
