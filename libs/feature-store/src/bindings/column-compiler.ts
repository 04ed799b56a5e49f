import {
  type Dtype,
  type StoredDtype,
  type StoredScalar,
  type TabularColumn,
  decodeStoredInput,
  isFloat,
  isQuaysideError,
  isTensor,
} from '@app/core';
import type { ColumnSettings } from '@app/model-registry';
import { wantedOf } from '../resolve-feature';
import { ArgumentCompiler } from './argument-compiler';
import { BindingFault } from './binding-fault';
import {
  type BoundColumn,
  type BoundFeature,
  type BoundSource,
  type GivenValue,
  type Reading,
  featuresIn,
} from './bindings';
import { type Cast, castOf } from './casts';
import { type Expression, type FeatureExpression, type TransformExpression, parseExpression } from './expression';
import { givenValue } from './given-value';
import type { ViewBinder } from './view-binder';

/** Compiles one column. What is wrong is reported, as much of it as can be told at once. */
export class ColumnCompiler {
  private readonly dtype: Dtype;
  private faulty = false;

  constructor(
    private readonly column: TabularColumn<ColumnSettings>,
    private readonly views: ViewBinder,
    private readonly tell: (fault: string) => void,
  ) {
    this.dtype = column.input.dtype;
  }

  /** The column; undefined where anything was reported. */
  compile(): BoundColumn | undefined {
    const { name, from = `request.${name}` } = this.column.settings;
    const source = this.attempt(() => this.compileSource(parseExpression(from)));
    if (!source) return undefined;
    this.checkKeys(source);
    const override = this.attempt(() => this.compileOverride(source));
    const fallback = this.attempt(() => this.compileFallback(source));
    if (this.faulty) return undefined;
    const takesNonFinite = this.column.options.onNonFinite === 'accept';
    return {
      name,
      dtype: this.dtype,
      takesNonFinite,
      source,
      ...(override && { override }),
      ...(fallback && { fallback: { ...fallback, ...this.lacks() } }),
    };
  }

  private compileSource(expression: Expression): BoundSource {
    if (expression.kind === 'request') return { kind: 'request', reading: this.readingOf(expression.field) };
    if (expression.kind === 'feature') return this.featureSource(expression);
    if (expression.kind === 'transform') return this.transformSource(expression);
    return { kind: 'const', value: givenValue(this.dtype, this.decode(constOf(expression.text, this.dtype), 'const')) };
  }

  private featureSource(expression: FeatureExpression): BoundSource {
    const feature = this.boundFeature(expression, this.column.settings.default);
    const cast = this.castFrom(feature.dtype);
    const whenAbsent = feature.wanted.default;
    if (whenAbsent !== undefined && !isTensor(whenAbsent)) this.checkDefault(whenAbsent, cast);
    return { kind: 'feature', feature, cast };
  }

  private transformSource(expression: TransformExpression): BoundSource {
    const compiler = new ArgumentCompiler(
      (wanted) => this.boundFeature(wanted),
      (fault) => this.report(fault),
    );
    const call = compiler.call(expression);
    return { kind: 'transform', call, cast: this.castFrom(call.transform.result) };
  }

  /** The feature with the column's policies in place of the view's. */
  private boundFeature(expression: FeatureExpression, ownDefault?: string | number | boolean): BoundFeature {
    const { view, feature, bound } = this.views.find(expression);
    const { dtype } = feature;
    const label = `the feature "${feature.name}" of ${bound.reference}`;
    if (feature.shape) throw new BindingFault(`${label} is an array, and a column takes one value`);
    const { onMissing, onStale, onTimeout } = this.column.settings;
    const whenAbsent = ownDefault === undefined ? undefined : this.decodeAs(dtype, ownDefault, 'default');
    const wanted = wantedOf(view, feature, {
      ...(onMissing && { onMissing }),
      ...(onStale && { onStale }),
      ...(onTimeout && { onTimeout }),
      ...(whenAbsent !== undefined && { default: whenAbsent }),
    });
    const needsDefault = wanted.onMissing === 'default' || wanted.onStale === 'default';
    const hasDefault = wanted.default !== undefined || this.column.settings.default !== undefined;
    if (needsDefault && !hasDefault) this.report(`${label} has no default that could be used`);
    if (wanted.onMissing === 'nan') this.checkNan(label);
    return { view: bound, dtype, wanted };
  }

  private checkNan(label: string): void {
    const { options } = this.column;
    if (!isFloat(this.dtype)) this.report(`${label} becomes NaN where it is missing, which ${this.dtype} cannot be`);
    else if (options.onNonFinite === 'reject') {
      this.report(`${label} becomes NaN where it is missing; say "on_non_finite: accept" for the column`);
    }
  }

  private compileOverride(source: BoundSource): Reading | undefined {
    const { name, override } = this.column.settings;
    if (override === undefined) return undefined;
    return this.readingOf(name, source.kind === 'feature' ? source.feature.dtype : undefined);
  }

  /** How a field is read: as it is by the model's task, or by a dtype of its own, where that is another. */
  private readingOf(field: string, otherwise?: StoredDtype): Reading {
    const { name, dtype = otherwise ?? this.dtype } = this.column.settings;
    const { nullAsNan } = this.column.options;
    // A request's BYTES are text, as everywhere in a row.
    const read = dtype === 'BYTES' ? 'STRING' : dtype;
    const asItIs = field === name && (read === this.dtype || (read === 'STRING' && this.dtype === 'BYTES'));
    return { field, nullAsNan, ...(!asItIs && { typed: { dtype: read, cast: this.castFrom(read) } }) };
  }

  /** A default of the column that is none of a feature's. */
  private compileFallback(source: BoundSource): GivenValue | undefined {
    const { default: whenAbsent } = this.column.settings;
    if (whenAbsent === undefined || source.kind === 'feature') return undefined;
    if (source.kind === 'const') throw new BindingFault('a constant needs no default');
    const typed = source.kind === 'request' ? source.reading.typed : undefined;
    if (!typed) return givenValue(this.dtype, this.decode(whenAbsent, 'default'));
    const cast = typed.cast(this.decodeAs(typed.dtype, whenAbsent, 'default'));
    if (cast === undefined) throw new BindingFault(`its default cannot be ${this.dtype} without a loss`);
    return givenValue(this.dtype, cast);
  }

  private lacks(): { readonly whenMissing: boolean; readonly whenTimedOut: boolean } {
    const { onMissing = 'default', onTimeout } = this.column.settings;
    return { whenMissing: onMissing === 'default', whenTimedOut: onTimeout === 'defaults' };
  }

  /** Keys that would do nothing here. */
  private checkKeys(source: BoundSource): void {
    const { override, dtype, cast, onMissing, onStale, onTimeout } = this.column.settings;
    const isRequest = source.kind === 'request';
    if (override && isRequest) this.report('"override" has no meaning where the value comes from the request anyway');
    if (dtype && !isRequest && !override) this.report('"dtype" is that of a request\'s value, and none is taken');
    if (cast && !dtype && source.kind !== 'feature' && source.kind !== 'transform') {
      this.report('"cast" has nothing to cast; say what the value is with "dtype"');
    }
    const hasPolicy = [onMissing, onStale, onTimeout].some((policy) => policy !== undefined);
    if (hasPolicy && featuresIn(source).length === 0) {
      this.report('"on_missing", "on_stale" and "on_timeout" are for stored features, and it has none');
    }
  }

  private checkDefault(value: StoredScalar, cast: Cast): void {
    const given = cast(value);
    if (given === undefined) this.report(`its default cannot be ${this.dtype} without a loss`);
    const isFinite = typeof given !== 'number' || Number.isFinite(given);
    if (!isFinite && this.column.options.onNonFinite === 'reject') {
      this.report('its default is not finite; say "on_non_finite: accept"');
    }
  }

  private castFrom(from: StoredDtype): Cast {
    const { cast: mode } = this.column.settings;
    const cast = castOf(from, this.dtype, mode);
    if (cast) return cast;
    const hint =
      mode !== 'exact' && castOf(from, this.dtype, 'exact') ? '; "cast: exact" allows it for whole values' : '';
    throw new BindingFault(`${from} cannot be cast to ${this.dtype}${hint}`);
  }

  private decode(value: unknown, what: string): StoredScalar {
    return this.decodeAs(this.dtype === 'BYTES' ? 'STRING' : this.dtype, value, what);
  }

  private decodeAs(dtype: StoredDtype, value: unknown, what: string): StoredScalar {
    try {
      return decodeStoredInput(
        { dtype: dtype === 'BYTES' ? 'STRING' : dtype, field: `its ${what}` },
        value,
      ) as StoredScalar;
    } catch (error) {
      if (isQuaysideError(error)) throw new BindingFault(error.message.replace(/\.$/, ''));
      throw error;
    }
  }

  private attempt<T>(compile: () => T): T | undefined {
    try {
      return compile();
    } catch (error) {
      if (!(error instanceof BindingFault)) throw error;
      this.report(error.message);
      return undefined;
    }
  }

  private report(fault: string): void {
    this.faulty = true;
    this.tell(fault);
  }
}

/** What a constant is as JSON; the text itself for texts, unless it is quoted. */
function constOf(text: string, dtype: Dtype): unknown {
  if (dtype === 'INT64' || dtype === 'UINT64') return text;
  if (dtype === 'BYTES' && !text.startsWith('"')) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
