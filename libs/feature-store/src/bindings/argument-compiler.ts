import { type StoredDtype, type StoredScalar, decodeStoredInput, isQuaysideError } from '@app/core';
import { BindingFault } from './binding-fault';
import type { BoundArgument, BoundCall, BoundFeature } from './bindings';
import type { Cast } from './casts';
import type { Expression, FeatureExpression, TransformExpression } from './expression';
import { type ArgumentKind, type Parameter, TRANSFORM_NAMES, argumentCast, transformOf } from './transforms';

/** Compiles a transform's arguments, each of which may have faults of its own. */
export class ArgumentCompiler {
  constructor(
    private readonly feature: (expression: FeatureExpression) => BoundFeature,
    private readonly report: (fault: string) => void,
  ) {}

  /** The call. Throws BindingFault where nothing can be said of its arguments. */
  call({ name, version, args }: TransformExpression): BoundCall {
    const transform = transformOf(name, version);
    const label = `${name}@${version}`;
    if (!transform) throw new BindingFault(`there is no transform ${label}; there are ${TRANSFORM_NAMES.join(', ')}`);
    const { parameters } = transform;
    if (args.length !== parameters.length) {
      const takes = parameters.map((parameter) => parameter.name).join(', ');
      throw new BindingFault(`the transform ${label} takes ${label}(${takes})`);
    }
    const bound = parameters.map((parameter, at) => this.attempt(label, parameter, args[at]));
    const compiled = bound.filter((argument) => argument !== undefined);
    const literals = bound.map((argument) => (argument?.kind === 'literal' ? argument.value : undefined));
    const refusal = compiled.length === bound.length ? transform.refuses?.(literals) : undefined;
    if (refusal !== undefined) this.report(`the transform ${label} cannot be: ${refusal}`);
    return { transform, args: compiled, isStored: compiled.some(isStored) };
  }

  private attempt(label: string, parameter: Parameter, argument: Expression | undefined): BoundArgument | undefined {
    try {
      return this.argument(label, parameter, argument);
    } catch (error) {
      if (!(error instanceof BindingFault)) throw error;
      this.report(error.message);
      return undefined;
    }
  }

  private argument(label: string, parameter: Parameter, expression: Expression | undefined): BoundArgument {
    const { kind } = parameter;
    if (expression?.kind === 'const') return { kind: 'literal', value: literalOf(expression.text, parameter, label) };
    if (!expression || parameter.literal) {
      throw new BindingFault(`"${parameter.name}" of ${label} must be written out, not looked up`);
    }
    if (expression.kind === 'request') return { kind: 'request', field: expression.field, takes: kind };
    if (expression.kind === 'transform') {
      const call = this.call(expression);
      return { kind: 'call', call, cast: castTo(parameter, call.transform.result, label) };
    }
    const feature = this.feature(expression);
    if (feature.wanted.onMissing === 'nan' && kind !== 'number') {
      throw new BindingFault(`"${parameter.name}" of ${label} cannot be NaN, which "on_missing: nan" makes of it`);
    }
    return { kind: 'feature', feature, cast: castTo(parameter, feature.dtype, label) };
  }
}

/** The dtype that a request's value is read as; a category is read as what it is. */
export const DTYPE_OF_ARGUMENT: Readonly<Record<Exclude<ArgumentKind, 'category'>, StoredDtype>> = {
  text: 'STRING',
  number: 'FP64',
  moment: 'TIMESTAMP',
};

function castTo({ kind, name }: Parameter, dtype: StoredDtype, label: string): Cast {
  const cast = argumentCast(dtype, kind);
  if (!cast) throw new BindingFault(`"${name}" of ${label} takes a ${kind}, and ${dtype} is none`);
  return cast;
}

function literalOf(text: string, { kind, name }: Parameter, label: string): StoredScalar {
  const value = text.startsWith('"') ? parseQuoted(text) : text;
  if (kind === 'category' || kind === 'text') return value;
  const read = kind === 'number' ? Number(value) : value;
  try {
    return decodeStoredInput({ dtype: DTYPE_OF_ARGUMENT[kind], field: name }, read) as StoredScalar;
  } catch (error) {
    if (!isQuaysideError(error)) throw error;
    throw new BindingFault(`"${name}" of ${label} must be a ${kind}`);
  }
}

function parseQuoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    throw new BindingFault(`${text} is not a text in double quotes`);
  }
}

function isStored(argument: BoundArgument): boolean {
  return argument.kind === 'feature' || (argument.kind === 'call' && argument.call.isStored);
}
