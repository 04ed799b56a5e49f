import {
  type ErrorDetail,
  type JsonRecord,
  type JsonValue,
  type StoredScalar,
  decodeStoredInput,
  isFloat,
  isQuaysideError,
} from '@app/core';
import type { FeatureCounters } from '../feature-counters';
import type { FeatureRecord, FeatureSource, InspectedFeature, InspectedRow, RowProvenance } from '../feature-store';
import { type ResolvedFeature, resolveFeature } from '../resolve-feature';
import { type RowReference, type StoredRow, loggedEntity } from '../rows/feature-reader';
import { DTYPE_OF_ARGUMENT } from './argument-compiler';
import type {
  BoundArgument,
  BoundCall,
  BoundColumn,
  BoundFeature,
  BoundView,
  Fallback,
  GivenValue,
  Reading,
} from './bindings';
import type { Cast } from './casts';
import { givenValue } from './given-value';
import { RowFault, type RowFaults } from './row-faults';
import type { ArgumentKind } from './transforms';

/** One row of a request, and what was read for it. */
export interface RowToFill {
  readonly row: JsonRecord;
  /** Where it stands, such as `rows[2]`. */
  readonly path: string;
  /** What was stored of the entities that the row names, by view. */
  readonly stored: ReadonlyMap<BoundView, StoredRow | 'timeout' | undefined>;
  /** What was wanted of the store, in the order of the views. */
  readonly wanted: readonly RowReference[];
  /** Microseconds since the Unix epoch, the same for all rows of a call. */
  readonly nowUs: bigint;
  /** Told of all that is looked up and filled in; absent: nobody counts. */
  readonly counters?: FeatureCounters;
}

/** A row as the model's task reads it. */
export interface FilledRow {
  readonly row: JsonRecord;
  readonly provenance: RowProvenance;
  /** Whether a default stands in for what could not be read in time. */
  readonly degraded: boolean;
}

/** A column's value, as the model's task reads it, and with where it came from. */
interface Filled {
  readonly json: JsonValue;
  readonly record: FeatureRecord;
}

/** A stored feature that was looked up, and what it is. */
interface Seen {
  readonly feature: BoundFeature;
  readonly resolved: ResolvedFeature;
}

/** Fills one row from the request, from what was read, and by computing. Faults are noted for all columns. */
export class RowFilling {
  private degraded = false;
  /** Of what was looked up for the column at hand, what tells most: the first that is not as it should be. */
  private told: Seen | undefined;

  constructor(
    private readonly request: RowToFill,
    private readonly faults: RowFaults,
  ) {}

  /** A value for every column, in the model's order; columns with a fault are left out. */
  fill(columns: readonly BoundColumn[]): FilledRow {
    const row: Record<string, JsonValue> = {};
    const features: FeatureRecord[] = [];
    const { counters } = this.request;
    for (const column of columns) {
      try {
        const { json, record } = this.fillColumn(column);
        row[column.name] = json;
        features.push(record);
        if (counters) counters.sources[record.source]++;
      } catch (error) {
        this.faults.note(error);
      }
    }
    const entityKeys = this.request.wanted.map(loggedEntity);
    return { row, provenance: { entityKeys, features }, degraded: this.degraded };
  }

  /** What every column would be, in the model's order; a fault stands in the place of its value. */
  inspect(columns: readonly BoundColumn[]): InspectedRow {
    const features = columns.map((column) => this.inspectColumn(column));
    return { entityKeys: [...new Set(this.request.wanted.map(({ key }) => key))], features };
  }

  private inspectColumn(column: BoundColumn): InspectedFeature {
    try {
      return this.fillColumn(column).record;
    } catch (error) {
      if (!(error instanceof RowFault)) throw error;
      const source = column.source.kind === 'feature' ? 'store' : column.source.kind;
      return { ...this.record(column, source, null), refusal: error.code };
    }
  }

  private fillColumn(column: BoundColumn): Filled {
    const { source, override, fallback } = column;
    this.told = undefined;
    if (override && Object.hasOwn(this.request.row, override.field)) return this.fromRequest(column, override);
    if (source.kind === 'const') return this.filled(column, 'const', source.value);
    if (source.kind === 'feature') return this.fromStore(column, source.feature, source.cast);
    if (source.kind === 'transform') return this.computedOrDefault(column, source.call, source.cast);
    const { reading } = source;
    if (fallback && !Object.hasOwn(this.request.row, reading.field)) return this.filled(column, 'default', fallback);
    return this.fromRequest(column, reading);
  }

  private filled(column: BoundColumn, source: FeatureSource, { json, logged }: GivenValue): Filled {
    return { json, record: this.record(column, source, logged) };
  }

  /** Always with the same fields, some of them undefined: objects of one shape are made and read much faster. */
  private record({ name }: BoundColumn, source: FeatureSource, value: JsonValue): FeatureRecord {
    const { told } = this;
    return {
      name,
      source,
      status: told ? told.resolved.status : null,
      reason: told?.resolved.reason,
      view: told?.feature.view.reference,
      feature: told?.feature.wanted.name,
      eventTsUs: told?.resolved.eventTsUs,
      value,
    };
  }

  private fromRequest(column: BoundColumn, { field, nullAsNan, typed }: Reading): Filled {
    const value = this.fieldOf(field);
    if (!typed) {
      return this.filled(column, 'request', { json: value as JsonValue, logged: asLogged(column, value) });
    }
    if (value === null && nullAsNan && isFloat(column.dtype)) {
      return this.filled(column, 'request', givenValue(column.dtype, NaN));
    }
    const cast = typed.cast(this.decode(field, () => decodeStoredInput({ dtype: typed.dtype, field }, value)));
    if (cast === undefined) throw this.lossy(field, column);
    return this.filled(column, 'request', givenValue(column.dtype, cast));
  }

  private fromStore(column: BoundColumn, feature: BoundFeature, cast: Cast): Filled {
    const { source, value } = this.resolve(feature);
    // NaN in the place of a missing value was checked with the model; there is nothing to cast.
    const given = source === 'default' && Number.isNaN(value) ? NaN : cast(value);
    if (given === undefined || !fits(column, given)) throw this.unfit(column, feature);
    return this.filled(column, source, givenValue(column.dtype, given));
  }

  private computedOrDefault(column: BoundColumn, call: BoundCall, cast: Cast): Filled {
    try {
      return this.computed(column, call, cast);
    } catch (error) {
      if (!(error instanceof RowFault) || !column.fallback || !standsIn(column.fallback, error)) throw error;
      if (error.code === 'features_unavailable') this.degraded = true;
      return this.filled(column, 'default', column.fallback);
    }
  }

  private computed(column: BoundColumn, call: BoundCall, cast: Cast): Filled {
    const given = cast(this.evaluate(call));
    if (given !== undefined && (!call.isStored || fits(column, given))) {
      return this.filled(column, 'transform', givenValue(column.dtype, given));
    }
    throw this.told ? this.unfit(column, this.told.feature) : this.lossy(column.name, column);
  }

  private evaluate({ transform, args }: BoundCall): StoredScalar {
    return transform.apply(
      args.map((argument) => this.argument(argument)),
      this.request.nowUs,
    );
  }

  private argument(argument: BoundArgument): StoredScalar {
    if (argument.kind === 'literal') return argument.value;
    if (argument.kind === 'request') return this.requestArgument(argument.field, argument.takes);
    // What a transform gives can always be cast to what another takes, or the model would not be bound.
    if (argument.kind === 'call') return argument.cast(this.evaluate(argument.call)) as StoredScalar;
    const { feature, cast } = argument;
    const { source, value } = this.resolve(feature);
    const given = source === 'default' && Number.isNaN(value) ? NaN : cast(value);
    if (given === undefined) throw this.castFault(feature, 'cannot be computed with without a loss');
    return given;
  }

  private requestArgument(field: string, takes: ArgumentKind): StoredScalar {
    const value = this.fieldOf(field);
    if (takes === 'category') return this.category(field, value);
    return this.decode(field, () => decodeStoredInput({ dtype: DTYPE_OF_ARGUMENT[takes], field }, value));
  }

  private category(field: string, value: unknown): StoredScalar {
    if (typeof value === 'boolean' || Number.isSafeInteger(value)) return value as boolean | number;
    return this.decode(field, () => decodeStoredInput({ dtype: 'STRING', field }, value));
  }

  private fieldOf(field: string): unknown {
    const { row } = this.request;
    if (Object.hasOwn(row, field)) return row[field];
    throw this.inputFault(field, 'missing_input', 'is missing; send a value');
  }

  /** What is stored, or what its policies make of the lack of it. */
  private resolve(feature: BoundFeature): { readonly source: 'store' | 'default'; readonly value: StoredScalar } {
    const resolved = resolveFeature(feature.wanted, this.request.stored.get(feature.view), this.request.nowUs);
    this.request.counters?.lookedUp(resolved.status);
    if (!this.told || (this.told.resolved.status === 'PRESENT' && resolved.status !== 'PRESENT')) {
      this.told = { feature, resolved };
    }
    if (resolved.refusal !== undefined) throw this.refused(feature, resolved);
    if (resolved.reason === 'timeout') this.degraded = true;
    // Arrays are refused when the model is bound.
    return { source: resolved.source, value: resolved.value as StoredScalar };
  }

  private decode<T>(field: string, read: () => T): Exclude<T, object> {
    try {
      // What is read here is no array.
      return read() as Exclude<T, object>;
    } catch (error) {
      if (!isQuaysideError(error)) throw error;
      const [detail] = error.details;
      const says = detail?.message.slice(field.length + 1, -1) ?? 'does not fit';
      throw this.inputFault(field, detail?.code ?? 'invalid_input', says);
    }
  }

  private refused({ view, wanted }: BoundFeature, { refusal, status }: ResolvedFeature): RowFault {
    const code = refusal ?? 'feature_missing';
    const label = `the feature "${wanted.name}" of ${view.reference}`;
    const says = status === null ? `${label} could not be read in time` : `${label} ${SAYS[status]}`;
    return new RowFault(code, this.detail(`features.${wanted.name}`, (status ?? 'timeout').toLowerCase(), says));
  }

  private unfit({ name, dtype }: BoundColumn, feature: BoundFeature): RowFault {
    return this.castFault(feature, `cannot be the ${dtype} of the column "${name}" without a loss`);
  }

  private castFault({ view, wanted }: BoundFeature, says: string): RowFault {
    const label = `the value of the feature "${wanted.name}" of ${view.reference}`;
    return new RowFault('feature_cast', this.detail(`features.${wanted.name}`, 'feature_cast', `${label} ${says}`));
  }

  private lossy(field: string, { name, dtype }: BoundColumn): RowFault {
    return this.inputFault(field, 'lossy_cast', `cannot be the ${dtype} of the column "${name}" without a loss`);
  }

  private inputFault(field: string, code: string, says: string): RowFault {
    const path = `${this.request.path}.${field}`;
    return new RowFault('invalid_input', { field: path, code, message: `${path} ${says}.` });
  }

  private detail(field: string, code: string, says: string): ErrorDetail {
    const path = `${this.request.path}.${field}`;
    return { field: path, code, message: `${this.request.path}: ${says}.` };
  }
}

const SAYS = {
  PRESENT: 'is there',
  NOT_FOUND: 'is not stored for this entity',
  NULL_VALUE: 'has no value for this entity',
  OUTSIDE_MAX_AGE: 'is older than its view allows',
} as const;

/** Whether the column's default stands in for what is lacking. */
function standsIn({ whenMissing, whenTimedOut }: Fallback, { code, detail }: RowFault): boolean {
  if (code === 'features_unavailable') return whenTimedOut;
  return whenMissing && (code === 'feature_missing' || detail.code === 'missing_input');
}

/** The model's task refuses what does not fit as a fault of the request; for what is stored it would be none. */
function fits({ takesNonFinite }: BoundColumn, value: StoredScalar): boolean {
  return takesNonFinite || typeof value !== 'number' || Number.isFinite(value);
}

/** As the model will see it: the task rounds to its dtype as this does. */
function asLogged({ dtype }: BoundColumn, value: unknown): JsonValue {
  if (typeof value !== 'number') return value as JsonValue;
  const seen = dtype === 'FP32' ? Math.fround(value) : value;
  return Object.is(seen, -0) ? '-0' : seen;
}
