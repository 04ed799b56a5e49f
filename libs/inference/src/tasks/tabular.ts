import { type JsonRecord, type JsonValue, type Tensor, type TensorSpec, decodeElements } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import { boundRowSchema } from './bound-row-schema';
import { batchLayoutOf, checkOutputRows, rowOf } from './batch-layout';
import { type Schema, document, elementExample, elementOf, objectOf, tensorsFormSchemas } from './json-schema';
import { optionsSchema, readOptions } from './options';
import { RawModel } from './raw-model';
import { leavesOutRows, prepareTensors, presentTensors } from './raw-tensors';
import { checkFields, checkRowCount } from './refusals';
import { type Column, type ColumnsOfInput, type InputColumn, columnsOf, valuesOf } from './tabular-columns';
import { type RowTensors, answerSchema, readOutputs, rowAnswer } from './tabular-outputs';
import type { PredictOptions, Task, TaskInput, TaskOutput } from './task';

const OPTIONS = ['int64', 'nonfinite'] as const;

/** Rows of named columns to a label with probabilities, or to a value. In the tensors form, the model's own tensors. */
export const tabular: Task = {
  name: 'tabular',

  prepare(version, input, options) {
    readOptions(options, OPTIONS);
    const inputs = columnsOf(version);
    if (input.form === 'rows') return prepareRows(version, inputs, input.rows);
    return prepareTensors(version.signature, input, (spec) => inputs.find((of) => of.input === spec)!.strictest);
  },

  present(version, input, output, options) {
    if (input.form === 'rows') {
      return { form: 'rows', rows: presentRows(version, { rows: input.rows.length, output, options }) };
    }
    const oneRow = leavesOutRows(version.signature, input.inputs);
    return presentTensors({ output, wanted: input.outputs, oneRow, options });
  },

  usage: () => undefined,

  schema(version, bound) {
    const columns = columnsOf(version).flatMap(({ input, columns: own }) => own.map((column) => ({ input, column })));
    const classes = version.manifest.tabular.classes ?? [];
    return {
      row: bound ? boundRowSchema(bound, columns) : rowSchema(columns),
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

function prepareRows(
  { signature }: ModelVersion,
  inputs: readonly ColumnsOfInput[],
  rows: readonly JsonRecord[],
): TaskInput {
  const whole = batchLayoutOf(signature) === 'whole';
  checkRowCount(rows.length, 'rows', whole ? 1 : undefined);
  const columns = inputs.flatMap((of) => of.columns);
  const takes = columns.map(({ name }) => name);
  const optional = columns.filter((column) => column.default !== undefined).map(({ name }) => name);
  rows.forEach((row, index) => checkFields(row, { takes, optional, path: `rows[${index}]` }));
  const tensors = Object.fromEntries(inputs.map((of) => [of.input.name, inputOf(of, rows)]));
  return { rows: rows.length, splittable: !whole, tensors, parameters: {}, outputs: [] };
}

/** The values row by row, `[rows, columns]`; columns that take less than others are judged by themselves before. */
function inputOf({ input, columns, loosest, stricter }: ColumnsOfInput, rows: readonly JsonRecord[]): Tensor {
  const { dtype, shape } = input;
  const width = columns.length;
  const fieldOf = (at: number): string => `rows[${Math.floor(at / width)}].${columns[at % width].name}`;
  const byColumn = columns.map((column) => valuesOf(rows, column));
  for (const index of stricter) {
    const target = { dtype, shape: [], fieldOf: (row: number) => fieldOf(row * width + index) };
    decodeElements(target, byColumn[index], columns[index].options);
  }
  const values = width === 1 ? byColumn[0] : rows.flatMap((_, row) => byColumn.map((column) => column[row]));
  const { bytes } = decodeElements({ dtype, shape: [], fieldOf }, values, loosest);
  return { dtype, shape: shape.length === 1 ? [rows.length] : [rows.length, width], bytes };
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

function rowSchema(columns: readonly InputColumn[]): Schema {
  const optional = columns.filter(({ column }) => column.default !== undefined).map(({ column }) => column.name);
  const properties = Object.fromEntries(columns.map(({ input, column }) => [column.name, columnSchema(input, column)]));
  return document(objectOf(properties, optional), Object.fromEntries(columns.map(exampleOfColumn)));
}

function exampleOfColumn({ input, column }: InputColumn): readonly [string, JsonValue] {
  return [column.name, column.default ?? elementExample(input.dtype)];
}

function columnSchema({ dtype }: TensorSpec, { default: whenAbsent, options }: Column): Schema {
  const element = elementOf(dtype, options);
  return whenAbsent === undefined ? element : { ...element, default: whenAbsent };
}
