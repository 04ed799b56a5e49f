import type { TensorSpec } from '@app/core';
import type { ColumnSettings, InputOptions, Manifest } from './manifest';
import type { ModelVersion } from './model-version';
import { unfit } from './unfit';

/** One column of a tabular model, and the input that it is a part of. */
export interface TabularColumn {
  readonly input: TensorSpec;
  readonly settings: ColumnSettings;
  /** What the manifest says of the column, else of its input, else the default. */
  readonly options: Required<InputOptions>;
}

/**
 * The columns of a tabular model, in the order in which they fill its inputs.
 *
 * - One input `[rows, F]`: F columns of it, named by the manifest in this order, else `f0`, `f1` and so on.
 * - Inputs `[rows, 1]` or `[rows]`: one each. The manifest's columns belong to the inputs of the same name; where one of
 *   them has no such input, they rename all inputs in order. Without a manifest the inputs' names are the columns.
 *
 * Throws model_load_failed where the manifest's columns do not fit the inputs.
 */
export function tabularColumns({ signature, manifest }: Pick<ModelVersion, 'signature' | 'manifest'>): TabularColumn[] {
  const [only, ...others] = signature.inputs;
  const written = manifest.tabular.columns ?? [];
  const isMatrix = only !== undefined && others.length === 0 && widthOf(only) !== 1;
  const columns = isMatrix ? ofMatrix(only, written) : ofInputs(signature.inputs, written);
  const names = columns.map(({ settings }) => settings.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw misfit(`"${twice}" stands twice.`);
  return columns.map((column) => ({ ...column, options: optionsOf(column, manifest) }));
}

type Placed = Omit<TabularColumn, 'options'>;

function ofMatrix(input: TensorSpec, written: readonly ColumnSettings[]): readonly Placed[] {
  const width = widthOf(input) ?? written.length;
  if (written.length > 0 && written.length !== width) throw misfit(`"${input.name}" has ${width} columns.`);
  if (width === 0) throw misfit(`"${input.name}" does not say how many columns it has; list them.`);
  return Array.from({ length: width }, (_, index) => ({ input, settings: written[index] ?? { name: `f${index}` } }));
}

function ofInputs(inputs: readonly TensorSpec[], written: readonly ColumnSettings[]): readonly Placed[] {
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
function optionsOf({ input, settings }: Placed, { inputs }: Manifest): Required<InputOptions> {
  const ofInput: InputOptions = (Object.hasOwn(inputs, input.name) && inputs[input.name]) || {};
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

function misfit(message: string): Error {
  return unfit(`The columns of the manifest do not fit the inputs. ${message}`);
}
