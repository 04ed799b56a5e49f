import {
  type JsonRecord,
  type JsonValue,
  type Signature,
  type Tensor,
  type TensorSpec,
  decodeElements,
  encodeNested,
  ownValue,
} from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import { batchLayoutOf, checkOutputRows, rowOf, rowShapeOf } from './batch-layout';
import { document, exampleOf, objectOf, tensorSchemas, tensorsFormSchemas } from './json-schema';
import { optionsSchema, readOptions } from './options';
import { RawModel } from './raw-model';
import { checkSymbols, leavesOutRows, namesOf, ownOptions, prepareTensors, presentTensors } from './raw-tensors';
import { checkFields, checkRowCount } from './refusals';
import type { PredictOptions, Task, TaskInput, TaskOutput } from './task';

const OPTIONS = ['int64', 'nonfinite'] as const;

/** Models whose tensors are passed through: rows are inputs without the dimension of the rows, outputs likewise. */
export const tensors: Task = {
  name: 'tensors',

  prepare(version, input, options) {
    readOptions(options, OPTIONS);
    if (input.form === 'rows') return prepareRows(version, input.rows);
    return prepareTensors(version.signature, input, (spec) => ownOptions(version.manifest, spec.name));
  },

  present({ signature }, input, output, options) {
    if (input.form === 'rows') {
      return { form: 'rows', rows: presentRows(signature, { rows: input.rows.length, output, options }) };
    }
    return presentTensors({ output, wanted: input.outputs, oneRow: leavesOutRows(signature, input.inputs), options });
  },

  usage: () => undefined,

  schema({ signature }) {
    const rows = batchLayoutOf(signature) === 'whole' ? 'kept' : 'left-out';
    return {
      row: document(objectOf(tensorSchemas(signature.inputs, rows)), exampleOf(signature.inputs, rows)),
      row_output: document(objectOf(tensorSchemas(signature.outputs, rows))),
      ...tensorsFormSchemas(signature),
      options: document(optionsSchema(OPTIONS)),
    };
  },

  open: async (_version, session) => new RawModel(session),
};

function prepareRows(version: ModelVersion, rows: readonly JsonRecord[]): TaskInput {
  const { inputs } = version.signature;
  const whole = batchLayoutOf(version.signature) === 'whole';
  checkRowCount(rows.length, 'rows', whole ? 1 : undefined);
  const takes = namesOf(inputs);
  rows.forEach((row, index) => checkFields(row, { takes, path: `rows[${index}]` }));
  const decode = (input: TensorSpec): Tensor => {
    const fieldOf = (row: number): string => `rows[${row}].${input.name}`;
    const target = { dtype: input.dtype, shape: whole ? input.shape : rowShapeOf(input), fieldOf };
    const values = rows.map((row) => ownValue(row, input.name));
    const stacked = decodeElements(target, values, ownOptions(version.manifest, input.name));
    return whole ? rowOf(stacked, 0) : stacked;
  };
  const tensors = Object.fromEntries(inputs.map((input) => [input.name, decode(input)]));
  checkSymbols(inputs, tensors, 'rows[0]');
  return { rows: rows.length, splittable: !whole, tensors, parameters: {}, outputs: [] };
}

interface RowsAnswer {
  readonly rows: number;
  readonly output: TaskOutput;
  readonly options: PredictOptions;
}

/** A row is written on its own, so that it reads the same whatever its neighbours are. */
function presentRows(signature: Signature, { rows, output, options }: RowsAnswer): readonly JsonValue[] {
  const names = namesOf(signature.outputs);
  if (batchLayoutOf(signature) === 'whole') {
    return [Object.fromEntries(names.map((name) => [name, encodeNested(output[name], options)]))];
  }
  names.forEach((name) => checkOutputRows(name, output[name], rows));
  return Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(names.map((name) => [name, encodeNested(rowOf(output[name], row), options)])),
  );
}
