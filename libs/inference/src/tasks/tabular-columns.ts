import {
  type DecodeOptions,
  type JsonRecord,
  type Signature,
  type TabularColumn,
  type TensorSpec,
  tabularColumns,
} from '@app/core';
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

/** A column and the input that it is a part of. */
export interface InputColumn {
  readonly input: TensorSpec;
  readonly column: Column;
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
 * The columns of a model by input, in the order in which they fill it; remembered, as every request asks. Throws
 * model_load_failed where the manifest's columns do not fit the inputs.
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
  const { tabular, inputs } = manifest;
  const columns = tabularColumns({ signature, columns: tabular.columns ?? [], inputs });
  return signature.inputs.map((input) =>
    joined(
      input,
      columns.flatMap((column) => (column.input === input ? [columnOf(column, manifest)] : [])),
    ),
  );
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

function columnOf(
  { input, settings, options }: TabularColumn<ColumnSettings>,
  manifest: TabularVersion['manifest'],
): Column {
  const { name, default: whenAbsent } = settings;
  return { name, default: whenAbsent, options: { ...ownOptions(manifest, input.name), ...options } };
}
