import { type DecodeOptions, type JsonRecord, QuaysideError, type Signature, type TensorSpec } from '@app/core';
import type { ColumnSettings, InputOptions, ModelVersion } from '@app/model-registry';
import { ownOptions } from './raw-tensors';

/** One column of a request's rows. */
export interface Column {
  /** The name that requests use. */
  readonly name: string;
  /** What an absent value becomes; absent: the column is required. */
  readonly default?: string | number | boolean;
  readonly options: DecodeOptions & Required<InputOptions>;
}

/** One input of a tabular model, and the columns that fill it, in order. */
export interface ColumnsOfInput {
  readonly input: TensorSpec;
  readonly columns: readonly Column[];
  /** What some of the columns takes; those that take less are in `stricter`. */
  readonly loosest: DecodeOptions;
  /** What every one of them takes. */
  readonly strictest: DecodeOptions;
  /** Places of the columns that do not take all that `loosest` does. */
  readonly stricter: readonly number[];
}

type TabularVersion = Pick<ModelVersion, 'signature' | 'manifest'>;

const known = new WeakMap<TabularVersion, { signature: Signature; inputs: readonly ColumnsOfInput[] }>();

/**
 * The columns of a model, in the order in which they fill its inputs; remembered, as every request asks.
 *
 * - One input `[rows, F]`: F columns of it, named by the manifest in this order, else `f0`, `f1` and so on.
 * - Inputs `[rows, 1]` or `[rows]`: one each. The manifest's columns belong to the inputs of the same name; where one of
 *   them has no such input, they rename all inputs in order. Without a manifest the inputs' names are the columns.
 *
 * Throws model_load_failed where the manifest's columns do not fit the inputs.
 */
export function columnsOf(version: TabularVersion): readonly ColumnsOfInput[] {
  const { signature } = version;
  const remembered = known.get(version);
  if (remembered?.signature === signature) return remembered.inputs;
  const inputs = readColumns(version);
  known.set(version, { signature, inputs });
  return inputs;
}

/** The values of one column, defaults filled in; `undefined` where a required one is missing. */
export function valuesOf(rows: readonly JsonRecord[], column: Column): readonly unknown[] {
  return rows.map((row) => (Object.hasOwn(row, column.name) ? row[column.name] : column.default));
}

function readColumns({ signature, manifest }: TabularVersion): readonly ColumnsOfInput[] {
  const [only, ...others] = signature.inputs;
  const written = manifest.tabular.columns ?? [];
  const isMatrix = only !== undefined && others.length === 0 && widthOf(only) !== 1;
  const columns = isMatrix ? ofMatrix(only, written) : ofInputs(signature.inputs, written);
  const names = columns.map(({ settings }) => settings.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw misfit(`"${twice}" stands twice.`);
  return signature.inputs.map((input) => {
    const own = columns.filter((column) => column.input === input);
    return joined(
      input,
      own.map(({ settings }) => columnOf(settings, ownOptions(manifest, input.name))),
    );
  });
}

function joined(input: TensorSpec, columns: readonly Column[]): ColumnsOfInput {
  const taken = (of: 'some' | 'every'): DecodeOptions => ({
    ...columns[0]?.options,
    coerce: columns[of](({ options }) => options.coerce),
    nullAsNan: columns[of](({ options }) => options.nullAsNan),
    onNonFinite: columns[of](({ options }) => options.onNonFinite === 'accept') ? 'accept' : 'reject',
  });
  const loosest = taken('some');
  const takesLess = ({ options }: Column): boolean =>
    options.coerce !== loosest.coerce ||
    options.nullAsNan !== loosest.nullAsNan ||
    options.onNonFinite !== loosest.onNonFinite;
  const stricter = columns.flatMap((column, index) => (takesLess(column) ? [index] : []));
  return { input, columns, loosest, strictest: taken('every'), stricter };
}

/** An input and what the manifest says of one column of it. */
interface Written {
  readonly input: TensorSpec;
  readonly settings: ColumnSettings;
}

function ofMatrix(input: TensorSpec, written: readonly ColumnSettings[]): readonly Written[] {
  const width = widthOf(input) ?? written.length;
  if (written.length > 0 && written.length !== width) throw misfit(`"${input.name}" has ${width} columns.`);
  if (width === 0) throw misfit(`"${input.name}" does not say how many columns it has; list them.`);
  return Array.from({ length: width }, (_, index) => ({ input, settings: written[index] ?? { name: `f${index}` } }));
}

function ofInputs(inputs: readonly TensorSpec[], written: readonly ColumnSettings[]): readonly Written[] {
  const wide = inputs.find((input) => widthOf(input) !== 1);
  if (wide) throw misfit(`"${wide.name}" is not a column of shape [rows, 1].`);
  const known = written.every(({ name }) => inputs.some((input) => input.name === name));
  if (!known && written.length !== inputs.length) throw misfit(`The model has ${inputs.length} inputs.`);
  return inputs.map((input, index) => {
    const settings = known ? written.find(({ name }) => name === input.name) : written[index];
    return { input, settings: settings ?? { name: input.name } };
  });
}

/** NaN and the infinities are refused in a column unless the manifest says otherwise: few models expect them. */
function columnOf(settings: ColumnSettings, inputOptions: DecodeOptions): Column {
  const { name, default: whenAbsent } = settings;
  const own = { coerce: settings.coerce, nullAsNan: settings.nullAsNan, onNonFinite: settings.onNonFinite };
  const { coerce = false, nullAsNan = false, onNonFinite, ...others } = { ...inputOptions, ...own };
  const options: Column['options'] = {
    ...others,
    coerce,
    nullAsNan,
    onNonFinite: onNonFinite ?? (nullAsNan ? 'accept' : 'reject'),
  };
  return { name, default: whenAbsent, options };
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
