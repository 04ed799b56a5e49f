import { QuaysideError } from '@app/core';
import type { DecodeOptions, JsonRecord, TensorSpec } from '@app/core';
import type { ColumnSettings, ModelVersion } from '@app/model-registry';
import { ownOptions } from './raw-tensors';

/** One column of a request's rows, and where it goes. */
export interface Column {
  /** The name that requests use. */
  readonly name: string;
  readonly input: TensorSpec;
  /** What an absent value becomes; absent: the column is required. */
  readonly default?: string | number | boolean;
  readonly options: DecodeOptions;
}

type TabularVersion = Pick<ModelVersion, 'signature' | 'manifest'>;

/**
 * The columns of a model, in the order in which they fill its inputs.
 *
 * - One input `[rows, F]`: F columns of it, named by the manifest in this order, else `f0`, `f1` and so on.
 * - Inputs `[rows, 1]` or `[rows]`: one each. The manifest's columns belong to the inputs of the same name; where one of
 *   them has no such input, they rename all inputs in order. Without a manifest the inputs' names are the columns.
 *
 * Throws model_load_failed where the manifest's columns do not fit the inputs.
 */
export function columnsOf({ signature, manifest }: TabularVersion): readonly Column[] {
  const { inputs } = signature;
  const written = manifest.tabular.columns ?? [];
  const columns =
    inputs.length === 1 && widthOf(inputs[0]) !== 1 ? ofMatrix(inputs[0], written) : ofInputs(inputs, written);
  const twice = columns.find(
    ({ settings }, index) => columns.findIndex((other) => other.settings.name === settings.name) !== index,
  );
  if (twice) throw misfit(`"${twice.settings.name}" stands twice.`);
  return columns.map(({ input, settings }) => columnOf(input, settings, ownOptions(manifest, input.name)));
}

/** The values of one column, defaults filled in; `undefined` where a required one is missing. */
export function valuesOf(rows: readonly JsonRecord[], column: Column): readonly unknown[] {
  return rows.map((row) => (Object.hasOwn(row, column.name) ? row[column.name] : column.default));
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
function columnOf(input: TensorSpec, settings: ColumnSettings, inputOptions: DecodeOptions): Column {
  const { name, default: whenAbsent, ...own } = settings;
  const options = { ...inputOptions, ...own };
  const onNonFinite = options.onNonFinite ?? (options.nullAsNan ? 'accept' : 'reject');
  return { name, input, default: whenAbsent, options: { ...options, onNonFinite } };
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
