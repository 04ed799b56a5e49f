import type { CallContext, ErrorCode, JsonRecord, JsonValue, StoredDtype } from '@app/core';
import type { ModelRegistry, ModelVersion } from '@app/model-registry';

/** Where a value of a model's row came from. */
export type FeatureSource = 'request' | 'store' | 'default' | 'transform' | 'const';

/** What was found of a stored feature; a read that did not happen has none of them. */
export type FeatureStatus = 'PRESENT' | 'OUTSIDE_MAX_AGE' | 'NULL_VALUE' | 'NOT_FOUND';

/** One column of one row: what the model was given and where that came from. */
export interface FeatureRecord {
  /** The column. */
  readonly name: string;
  readonly source: FeatureSource;
  /** Null where nothing stored was wanted, and where the read did not happen, which `reason` then says. */
  readonly status: FeatureStatus | null;
  readonly reason?: 'timeout';
  /** `name@version` of the view, where a stored feature was wanted. */
  readonly view?: string;
  readonly feature?: string;
  /** When the stored row was true, in microseconds since the Unix epoch. */
  readonly eventTsUs?: bigint;
  /** As the model sees it, in canonical JSON. */
  readonly value: JsonValue;
}

/** Where the values of one row came from. */
export interface RowProvenance {
  /** What was wanted of the store, as `view:key`, in the order of the views; empty where nothing was. */
  readonly entityKeys: readonly string[];
  /** One per column, in the model's order. */
  readonly features: readonly FeatureRecord[];
}

/** What a model would be given of one column, or why it would be given nothing. */
export interface InspectedFeature extends FeatureRecord {
  /** What a prediction would be refused with; its `value` is then null. */
  readonly refusal?: ErrorCode;
}

/** What would become of one row. */
export interface InspectedRow {
  readonly entityKeys: readonly string[];
  readonly features: readonly InspectedFeature[];
}

/** Rows as a model's task reads them, and where their values came from. */
export interface Enriched {
  readonly rows: readonly JsonRecord[];
  /** One per row, in order; absent for a model without bindings. */
  readonly provenance?: readonly RowProvenance[];
  /** Whether defaults stand in for features that could not be read in time. */
  readonly degraded: boolean;
}

/** How a field of a request is read. */
export type FieldReading =
  /** As the values of this column, by the column's own options. */
  | { readonly as: 'column'; readonly column: string }
  | { readonly as: 'dtype'; readonly dtype: StoredDtype; readonly nullable: boolean }
  /** As a join key, whose integers may be texts. */
  | { readonly as: 'key'; readonly dtype: StoredDtype }
  /** As text, whole number or boolean. */
  | { readonly as: 'category' };

/** One field that a request's row may have in place of the model's columns. */
export interface RequestField {
  readonly name: string;
  readonly reads: FieldReading;
  /** Whether a row may lack it, as far as no alternative asks for it. */
  readonly optional: boolean;
  /** What it then is. */
  readonly default?: JsonValue;
  /** What it is for, a sentence. */
  readonly description: string;
}

/** What a request's row has for a model with bindings. */
export interface BoundRow {
  readonly fields: readonly RequestField[];
  /** A row has all fields of `either`, or all of `or`, for each of them. */
  readonly alternatives: readonly { readonly either: readonly string[]; readonly or: readonly string[] }[];
}

/** What became of the columns of one version of a model, in this process, since it first joined rows for it. */
export interface FeatureStatistics {
  /** Values that the model was given, by where they came from. */
  readonly sources: Readonly<Record<FeatureSource, number>>;
  /** Stored features that were looked up, by what was found; one that refused the request counts too. */
  readonly statuses: Readonly<Record<FeatureStatus, number>>;
  /** Those whose read did not happen in time, and so have no status. */
  readonly timeouts: number;
  /** Calls that were joined with defaults in the place of what could not be read in time. */
  readonly degradedCalls: number;
}

/** Joins stored features into the rows of a request, before the model's task reads them. */
export abstract class FeatureStore {
  /** The registry is where the store learns what a version's columns are bound to. */
  constructor(protected readonly schemaSource: ModelRegistry) {}

  /**
   * A row out per row in, in order. A model without bindings gets the same array back, without I/O or a copy.
   * Throws invalid_input, feature_missing, feature_stale, features_unavailable, feature_cast, client_closed.
   */
  abstract enrich(version: ModelVersion, rows: readonly JsonRecord[], context: CallContext): Promise<Enriched>;

  /**
   * What a row has for this version; undefined where that is what the model itself takes. No I/O. Throws
   * model_load_failed where the bindings have faults.
   */
  describe(_version: ModelVersion): BoundRow | undefined {
    return undefined;
  }

  /** What was joined for this version so far, by source and status; undefined for a model without bindings. No I/O. */
  statistics(_version: ModelVersion): FeatureStatistics | undefined {
    return undefined;
  }

  /**
   * What `enrich` would give, column by column and with the faults in their places; undefined for a model without bindings.
   * Throws invalid_input for rows with fields that the model does not have, and without keys that it needs.
   */
  inspect(
    _version: ModelVersion,
    _rows: readonly JsonRecord[],
    _context: CallContext,
  ): Promise<readonly InspectedRow[] | undefined> {
    return Promise.resolve(undefined);
  }
}
