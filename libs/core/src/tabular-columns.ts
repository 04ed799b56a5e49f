import type { DecodeOptions } from './element-sink';
import { QuaysideError } from './errors';
import type { Signature, TensorSpec } from './tensor';

/** How a request's JSON becomes elements of an input or of a column of it. */
export type ColumnOptions = Pick<DecodeOptions, 'coerce' | 'nullAsNan' | 'onNonFinite'>;

/** What is written of a column. */
export interface WrittenColumn extends ColumnOptions {
  /** The name that requests use. */
  readonly name: string;
  /** With `nan` the column expects NaN. */
  readonly onMissing?: string;
}

/** A tabular model's inputs, and what is written of its columns and of its inputs by name. */
export interface WrittenColumns<C extends WrittenColumn> {
  readonly signature: Signature;
  readonly columns: readonly C[];
  readonly inputs: Readonly<Record<string, ColumnOptions>>;
}

/** One column of a tabular model, and the input that it is a part of. */
export interface TabularColumn<C extends WrittenColumn = WrittenColumn> {
  readonly input: TensorSpec;
  /** What is written of it; of one that is not, the name that it gets. */
  readonly settings: Partial<C> & Pick<WrittenColumn, 'name'>;
  /** What is written of the column, else of its input, else the default. */
  readonly options: Required<ColumnOptions>;
}

/**
 * The columns of a tabular model, in the order in which they fill its inputs.
 *
 * - One input `[rows, F]`: F columns of it, named by what is written in this order, else `f0`, `f1` and so on.
 * - Inputs `[rows, 1]` or `[rows]`: one each. Written columns belong to the inputs of the same name; where one of them
 *   has no such input, they rename all inputs in order. Where none is written the inputs' names are the columns.
 *
 * Throws model_load_failed where the written columns do not fit the inputs.
 */
export function tabularColumns<C extends WrittenColumn>(from: WrittenColumns<C>): readonly TabularColumn<C>[] {
  const { signature, columns: written, inputs } = from;
  const [only, ...others] = signature.inputs;
  const isMatrix = only !== undefined && others.length === 0 && widthOf(only) !== 1;
  const columns = isMatrix ? ofMatrix(only, written) : ofInputs(signature.inputs, written);
  const names = columns.map(({ settings }) => settings.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw misfit(`"${twice}" stands twice.`);
  return columns.map((column) => ({ ...column, options: optionsOf(column, inputs) }));
}

type Placed<C extends WrittenColumn> = Omit<TabularColumn<C>, 'options'>;

function ofMatrix<C extends WrittenColumn>(input: TensorSpec, written: readonly C[]): readonly Placed<C>[] {
  const width = widthOf(input) ?? written.length;
  if (written.length > 0 && written.length !== width) throw misfit(`"${input.name}" has ${width} columns.`);
  if (width === 0) throw misfit(`"${input.name}" does not say how many columns it has; list them.`);
  return Array.from({ length: width }, (_, index) => ({ input, settings: named(written[index], `f${index}`) }));
}

function ofInputs<C extends WrittenColumn>(inputs: readonly TensorSpec[], written: readonly C[]): readonly Placed<C>[] {
  const wide = inputs.find((input) => widthOf(input) !== 1);
  if (wide) throw misfit(`"${wide.name}" is not a column of shape [rows, 1].`);
  const known = written.every(({ name }) => inputs.some((input) => input.name === name));
  if (!known && written.length !== inputs.length) throw misfit(`The model has ${inputs.length} inputs.`);
  return inputs.map((input, index) => {
    const settings = known ? written.find(({ name }) => name === input.name) : written[index];
    return { input, settings: named(settings, input.name) };
  });
}

function named<C extends WrittenColumn>(written: C | undefined, name: string): TabularColumn<C>['settings'] {
  return written ?? ({ name } as TabularColumn<C>['settings']);
}

/** NaN and the infinities are refused in a column unless something else is written: few models expect them. */
function optionsOf(
  { input, settings }: Placed<WrittenColumn>,
  inputs: Readonly<Record<string, ColumnOptions>>,
): Required<ColumnOptions> {
  const ofInput: ColumnOptions = (Object.hasOwn(inputs, input.name) && inputs[input.name]) || {};
  const nullAsNan = settings.nullAsNan ?? ofInput.nullAsNan ?? false;
  const expectsNan = nullAsNan || settings.onMissing === 'nan';
  return {
    coerce: settings.coerce ?? ofInput.coerce ?? false,
    nullAsNan,
    onNonFinite: settings.onNonFinite ?? ofInput.onNonFinite ?? (expectsNan ? 'accept' : 'reject'),
  };
}

/** Columns of an input: 1 for `[rows]`; undefined where it does not say, or has another number of dimensions. */
function widthOf({ shape }: TensorSpec): number | undefined {
  if (shape.length === 1) return 1;
  const width = shape.length === 2 ? shape[1] : undefined;
  return typeof width === 'number' ? width : undefined;
}

function misfit(message: string): QuaysideError {
  return new QuaysideError('model_load_failed', `The columns of the manifest do not fit the inputs. ${message}`);
}
