import {
  type ErrorDetail,
  type JsonRecord,
  type JsonValue,
  type StoredScalar,
  decodeStoredInput,
  isFloat,
  isQuaysideError,
} from '@app/core';
import type { FeatureRecord, InspectedFeature, InspectedRow, RowProvenance } from '../feature-store';
import { type ResolvedFeature, resolveFeature } from '../resolve-feature';
import type { StoredRow } from '../rows/feature-reader';
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
  /** What was stored of the entity that the row names in this view. */
  readonly stored: (view: BoundView) => StoredRow | 'timeout' | undefined;
  readonly entityKeys: readonly string[];
  /** Microseconds since the Unix epoch, the same for all rows of a call. */
  readonly nowUs: bigint;
}

/** A row as the model's task reads it. */
export interface FilledRow {
  readonly row: JsonRecord;
  readonly provenance: RowProvenance;
  /** Whether a default stands in for what could not be read in time. */
  readonly degraded: boolean;
}

/** A column's value with where it came from. */
type Filled = GivenValue & Omit<FeatureRecord, 'name' | 'value'>;
type Origin = Omit<FeatureRecord, 'name' | 'value' | 'source'>;

const NOT_STORED = { status: null } as const;

/** Fills one row from the request, from what was read, and by computing. Faults are noted for all columns. */
export class RowFilling {
  private degraded = false;
  /** What was looked up for the column at hand. */
  private seen: { readonly feature: BoundFeature; readonly resolved: ResolvedFeature }[] = [];

  constructor(
    private readonly request: RowToFill,
    private readonly faults: RowFaults,
  ) {}

  /** A value for every column, in the model's order; columns with a fault are left out. */
  fill(columns: readonly BoundColumn[]): FilledRow {
    const row: Record<string, JsonValue> = {};
    const features: FeatureRecord[] = [];
    for (const column of columns) {
      this.seen = [];
      const filled = this.faults.attempt(() => this.fillColumn(column));
      if (!filled) continue;
      const { json, logged, ...origin } = filled;
      row[column.name] = json;
      features.push({ name: column.name, ...origin, value: logged });
    }
    return { row, provenance: { entityKeys: this.request.entityKeys, features }, degraded: this.degraded };
  }

  /** What every column would be, in the model's order; a fault stands in the place of its value. */
  inspect(columns: readonly BoundColumn[]): InspectedRow {
    const features = columns.map((column) => this.inspectColumn(column));
    return { entityKeys: this.request.entityKeys, features };
  }

  private inspectColumn(column: BoundColumn): InspectedFeature {
    this.seen = [];
    const { name } = column;
    try {
      const { json: _, logged, ...origin } = this.fillColumn(column);
      return { name, ...origin, value: logged };
    } catch (error) {
      if (!(error instanceof RowFault)) throw error;
      const source = column.source.kind === 'feature' ? 'store' : column.source.kind;
      return { name, source, ...this.origin(), value: null, refusal: error.code };
    }
  }

  private fillColumn(column: BoundColumn): Filled {
    const { source, override, fallback } = column;
    if (override && Object.hasOwn(this.request.row, override.field)) return this.fromRequest(column, override);
    if (source.kind === 'const') return { ...source.value, source: 'const', status: null };
    if (source.kind === 'feature') return this.fromStore(column, source.feature, source.cast);
    if (source.kind === 'transform') return this.computedOrDefault(column, source.call, source.cast);
    const { reading } = source;
    if (fallback && !Object.hasOwn(this.request.row, reading.field)) return byDefault(fallback, NOT_STORED);
    return this.fromRequest(column, reading);
  }

  private fromRequest(column: BoundColumn, { field, nullAsNan, typed }: Reading): Filled {
    const value = this.fieldOf(field);
    const origin = { source: 'request', ...NOT_STORED } as const;
    if (!typed) return { json: value as JsonValue, logged: asLogged(column, value), ...origin };
    if (value === null && nullAsNan && isFloat(column.dtype)) return { ...givenValue(column.dtype, NaN), ...origin };
    const cast = typed.cast(this.decode(field, () => decodeStoredInput({ dtype: typed.dtype, field }, value)));
    if (cast === undefined) throw this.lossy(field, column);
    return { ...givenValue(column.dtype, cast), ...origin };
  }

  private fromStore(column: BoundColumn, feature: BoundFeature, cast: Cast): Filled {
    const { source, value } = this.resolve(feature);
    // NaN in the place of a missing value was checked with the model; there is nothing to cast.
    const given = source === 'default' && Number.isNaN(value) ? NaN : cast(value);
    if (given === undefined || !fits(column, given)) throw this.unfit(column, feature);
    return { ...givenValue(column.dtype, given), source, ...this.origin() };
  }

  private computedOrDefault(column: BoundColumn, call: BoundCall, cast: Cast): Filled {
    try {
      return this.computed(column, call, cast);
    } catch (error) {
      if (!(error instanceof RowFault) || !column.fallback || !standsIn(column.fallback, error)) throw error;
      if (error.code === 'features_unavailable') this.degraded = true;
      return byDefault(column.fallback, this.origin());
    }
  }

  private computed(column: BoundColumn, call: BoundCall, cast: Cast): Filled {
    const given = cast(this.evaluate(call));
    if (given !== undefined && (!call.isStored || fits(column, given))) {
      return { ...givenValue(column.dtype, given), source: 'transform', ...this.origin() };
    }
    const [culprit] = this.seen;
    throw culprit ? this.unfit(column, culprit.feature) : this.lossy(column.name, column);
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
    const resolved = resolveFeature(feature.wanted, this.request.stored(feature.view), this.request.nowUs);
    this.seen.push({ feature, resolved });
    if (resolved.refusal !== undefined) throw this.refused(feature, resolved);
    if (resolved.reason === 'timeout') this.degraded = true;
    // Arrays are refused when the model is bound.
    return { source: resolved.source, value: resolved.value as StoredScalar };
  }

  /** The stored feature that tells most about the column: the first that is not as it should be. */
  private origin(): Origin {
    const told = this.seen.find(({ resolved }) => resolved.status !== 'PRESENT') ?? this.seen[0];
    if (!told) return NOT_STORED;
    const { status, reason, eventTsUs } = told.resolved;
    return {
      status,
      ...(reason && { reason }),
      view: told.feature.view.reference,
      feature: told.feature.wanted.name,
      ...(eventTsUs !== undefined && { eventTsUs }),
    };
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

function byDefault({ json, logged }: Fallback, origin: Origin): Filled {
  return { json, logged, source: 'default', ...origin };
}

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
