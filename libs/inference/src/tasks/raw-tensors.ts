import {
  type DecodeOptions,
  type JsonRecord,
  type JsonValue,
  type NamedTensors,
  type Signature,
  type TensorSpec,
  decodeElements,
  decodeNested,
  encodeNested,
  nestingDepth,
  ownValue,
} from '@app/core';
import type { Manifest } from '@app/model-registry';
import { batchLayoutOf, checkOutputRows, rowOf, rowShapeOf } from './batch-layout';
import { checkFields, checkOutputs, checkRowCount, invalidInput } from './refusals';
import type { Answer, PredictInput, PredictOptions, TaskInput, TaskOutput } from './task';

/** A model's inputs in the tensors form: by name, nested as their shapes, all with or all without the rows' dimension. */
export type TensorsForm = Extract<PredictInput, { form: 'tensors' }>;

/** How the JSON of an input becomes elements. */
export type OptionsOf = (input: TensorSpec) => DecodeOptions;

/**
 * Named inputs as the signature has them. Throws invalid_input (unknown and missing names, shapes, elements, outputs),
 * invalid_request (more rows than a call may have).
 */
export function prepareTensors(
  signature: Signature,
  { inputs, outputs = [] }: TensorsForm,
  optionsOf: OptionsOf,
): TaskInput {
  checkFields(inputs, { takes: namesOf(signature.inputs), path: 'inputs' });
  checkOutputs(outputs, namesOf(signature.outputs));
  const oneRow = leavesOutRows(signature, inputs);
  const tensors = Object.fromEntries(
    signature.inputs.map((input) => [input.name, decodeInput({ input, inputs, oneRow, options: optionsOf(input) })]),
  );
  checkSymbols(signature.inputs, tensors, 'inputs');
  return { ...rowsOf(signature, tensors), tensors, parameters: {}, outputs };
}

/** How JSON becomes elements of one input, by the manifest. */
export function ownOptions({ inputs }: Manifest, name: string): DecodeOptions {
  // onnxruntime-node 1.30 hands texts over as C strings: what stands behind U+0000 would be cut off unseen.
  return { nulCharacter: 'reject', ...(Object.hasOwn(inputs, name) && inputs[name]) };
}

/** The names of inputs or outputs, in order. */
export function namesOf(specs: readonly TensorSpec[]): readonly string[] {
  return specs.map(({ name }) => name);
}

/** What an answer in the tensors form is made of. */
export interface TensorsAnswer {
  /** Every output that the model gives. */
  readonly output: TaskOutput;
  /** Those asked for, in order; absent or empty: all. */
  readonly wanted: readonly string[] | undefined;
  /** Whether the request left out the dimension of the rows, so that the answer does too. */
  readonly oneRow: boolean;
  readonly options: PredictOptions;
}

/** The outputs asked for, in their order, nested as their shapes. Throws inference_failed where there is not one row. */
export function presentTensors({ output, wanted, oneRow, options }: TensorsAnswer): Answer {
  const names = wanted?.length ? wanted : Object.keys(output);
  const encode = (name: string): JsonValue => {
    const tensor = output[name];
    if (!oneRow) return encodeNested(tensor, options);
    checkOutputRows(name, tensor, 1);
    return encodeNested(rowOf(tensor, 0), options);
  };
  return { form: 'tensors', outputs: Object.fromEntries(names.map((name) => [name, encode(name)])) };
}

/** Whether every value nests one list less than its input, which leaves out the dimension of the rows. */
export function leavesOutRows({ inputs, outputs }: Signature, values: JsonRecord): boolean {
  if (batchLayoutOf({ inputs, outputs }) === 'whole') return false;
  return inputs.every(({ name, shape }) => nestingDepth(ownValue(values, name)) === shape.length - 1);
}

interface InputValue {
  readonly input: TensorSpec;
  readonly inputs: JsonRecord;
  readonly oneRow: boolean;
  readonly options: DecodeOptions;
}

function decodeInput({ input, inputs, oneRow, options }: InputValue): NamedTensors[string] {
  const { name, dtype, shape } = input;
  const [field, value] = [`inputs.${name}`, ownValue(inputs, name)];
  if (!oneRow) return decodeNested({ dtype, shape, field }, value, options);
  return decodeElements({ dtype, shape: rowShapeOf(input), fieldOf: () => field }, [value], options);
}

/** Throws invalid_input where dimensions of one symbol differ; an engine finds that only inside the run, if at all. */
export function checkSymbols(inputs: readonly TensorSpec[], tensors: NamedTensors, path: string): void {
  const sizes = new Map<string, number>();
  for (const { name, shape } of inputs) {
    shape.forEach((symbol, dimension) => {
      const size = tensors[name].shape[dimension];
      if (typeof symbol === 'number' || symbol === '') return;
      const known = sizes.get(symbol) ?? size;
      if (known !== size) {
        const message = `Dimension ${dimension} of "${name}" is ${size}; others of the same symbol "${symbol}" are ${known}.`;
        throw invalidInput({ field: `${path}.${name}`, code: 'shape_mismatch', message });
      }
      sizes.set(symbol, known);
    });
  }
}

/** Inputs that stack rows must have equally many of them; unnamed dimensions that differ are not rows at all. */
function rowsOf(signature: Signature, tensors: NamedTensors): Pick<TaskInput, 'rows' | 'splittable'> {
  if (batchLayoutOf(signature) !== 'stacked') return { rows: 1, splittable: false };
  const counts = new Set(Object.values(tensors).map((tensor) => tensor.shape[0]));
  if (counts.size !== 1) return { rows: 1, splittable: false };
  const [rows] = [...counts] as [number];
  checkRowCount(rows, 'inputs');
  return { rows, splittable: true };
}
