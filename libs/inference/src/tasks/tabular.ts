import { decodeElements } from '@app/core';
import type { DecodeOptions, JsonRecord, JsonValue, Tensor, TensorSpec } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import { batchLayoutOf, checkOutputRows, rowOf } from './batch-layout';
import { document, elementOf, objectOf, tensorsFormSchemas } from './json-schema';
import type { Schema } from './json-schema';
import { optionsSchema, readOptions } from './options';
import { RawModel } from './raw-model';
import { leavesOutRows, prepareTensors, presentTensors } from './raw-tensors';
import { checkFields, checkRowCount } from './refusals';
import { columnsOf, valuesOf } from './tabular-columns';
import type { Column } from './tabular-columns';
import { answerSchema, readOutputs, rowAnswer } from './tabular-outputs';
import type { RowTensors } from './tabular-outputs';
import type { PredictOptions, Task, TaskInput, TaskOutput } from './task';

const OPTIONS = ['int64', 'nonfinite'] as const;

/** Rows of named columns to a label with probabilities, or to a value. In the tensors form, the model's own tensors. */
export const tabular: Task = {
  name: 'tabular',

  prepare(version, input, options) {
    readOptions(options, OPTIONS);
    const columns = columnsOf(version);
    if (input.form === 'rows') return prepareRows(version, columns, input.rows);
    return prepareTensors(version.signature, input, (spec) =>
      joined(
        columns.filter((column) => column.input === spec),
        'every',
      ),
    );
  },

  present(version, input, output, options) {
    if (input.form === 'rows') {
      return { form: 'rows', rows: presentRows(version, { rows: input.rows.length, output, options }) };
    }
    const oneRow = leavesOutRows(version.signature, input.inputs);
    return presentTensors({ output, wanted: input.outputs, oneRow, options });
  },

  usage: () => undefined,

  schema(version) {
    const columns = columnsOf(version);
    const classes = version.manifest.tabular.classes ?? [];
    const optional = columns.filter((column) => column.default !== undefined).map(({ name }) => name);
    const properties = Object.fromEntries(columns.map((column) => [column.name, columnSchema(column)]));
    return {
      row: document(objectOf(properties, optional)),
      row_output: document(answerSchema(readOutputs(version.signature, classes), classes)),
      ...tensorsFormSchemas(version.signature),
      options: document(optionsSchema(OPTIONS)),
    };
  },

  async open(version, session) {
    columnsOf({ signature: session.signature, manifest: version.manifest });
    return new RawModel(session);
  },
};

function prepareRows({ signature }: ModelVersion, columns: readonly Column[], rows: readonly JsonRecord[]): TaskInput {
  const whole = batchLayoutOf(signature) === 'whole';
  checkRowCount(rows.length, 'rows', whole ? 1 : undefined);
  const names = columns.map(({ name }) => name);
  rows.forEach((row, index) => checkFields(Object.keys(row), names, `rows[${index}]`));
  const tensors = Object.fromEntries(
    signature.inputs.map((input) => [
      input.name,
      inputOf({ input, rows, columns: columns.filter((column) => column.input === input) }),
    ]),
  );
  return { rows: rows.length, splittable: !whole, tensors, parameters: {}, outputs: [] };
}

interface InputOfRows {
  readonly input: TensorSpec;
  readonly columns: readonly Column[];
  readonly rows: readonly JsonRecord[];
}

/** The values row by row, `[rows, columns]`; columns with rules of their own are judged one by one before. */
function inputOf({ input, columns, rows }: InputOfRows): Tensor {
  const width = columns.length;
  const fieldOf = (at: number): string => `rows[${Math.floor(at / width)}].${columns[at % width].name}`;
  const byColumn = columns.map((column) => valuesOf(rows, column));
  const shared = joined(columns, 'some');
  columns.forEach(({ options }, index) => {
    if (sameOptions(options, shared)) return;
    decodeElements(
      { dtype: input.dtype, shape: [], fieldOf: (row) => fieldOf(row * width + index) },
      byColumn[index],
      options,
    );
  });
  const values = rows.flatMap((_, row) => byColumn.map((column) => column[row]));
  const { dtype, bytes } = decodeElements({ dtype: input.dtype, shape: [], fieldOf }, values, shared);
  return { dtype, shape: input.shape.length === 1 ? [rows.length] : [rows.length, width], bytes };
}

/** What `some` of the columns allow, or `every` one of them. */
function joined(columns: readonly Column[], of: 'some' | 'every'): DecodeOptions {
  return {
    coerce: columns[of](({ options }) => options.coerce === true),
    nullAsNan: columns[of](({ options }) => options.nullAsNan === true),
    onNonFinite: columns[of](({ options }) => options.onNonFinite === 'accept') ? 'accept' : 'reject',
  };
}

function sameOptions(one: DecodeOptions, other: DecodeOptions): boolean {
  return (
    (one.coerce ?? false) === other.coerce &&
    (one.nullAsNan ?? false) === other.nullAsNan &&
    one.onNonFinite === other.onNonFinite
  );
}

interface RowsAnswer {
  readonly rows: number;
  readonly output: TaskOutput;
  readonly options: PredictOptions;
}

function presentRows(
  { signature, manifest }: ModelVersion,
  { rows, output, options }: RowsAnswer,
): readonly JsonValue[] {
  const classes = manifest.tabular.classes ?? [];
  const { label, probabilities, value } = readOutputs(signature, classes);
  const whole = batchLayoutOf(signature) === 'whole';
  const tensorOfRow = (spec: TensorSpec | undefined, row: number): Tensor | undefined => {
    const tensor = spec && output[spec.name];
    return tensor && !whole ? rowOf(tensor, row) : tensor;
  };
  for (const spec of [label, probabilities, value]) {
    if (spec && !whole) checkOutputRows(spec.name, output[spec.name], rows);
  }
  const tensorsOf = (row: number): RowTensors => ({
    label: tensorOfRow(label, row),
    probabilities: tensorOfRow(probabilities, row),
    value: tensorOfRow(value, row),
  });
  return Array.from({ length: rows }, (_, row) => rowAnswer(tensorsOf(row), classes, options));
}

function columnSchema({ input, default: whenAbsent, options }: Column): Schema {
  const element = elementOf(input.dtype, options);
  return whenAbsent === undefined ? element : { ...element, default: whenAbsent };
}
