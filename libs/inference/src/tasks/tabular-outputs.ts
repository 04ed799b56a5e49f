import {
  type EncodeOptions,
  type JsonValue,
  type Signature,
  type Tensor,
  type TensorSpec,
  encodeNested,
  floatsOf,
  isFloat,
} from '@app/core';
import { type Schema, elementOf, listOf, nestedOf, objectOf } from './json-schema';

/** What a model's outputs mean: a classifier has a label or probabilities or both, any other model a value. */
export interface TabularOutputs {
  readonly label?: TensorSpec;
  readonly probabilities?: TensorSpec;
  readonly value?: TensorSpec;
}

/**
 * Reads the meaning of outputs from their shapes and names, as the exporters of scikit-learn, XGBoost and LightGBM
 * choose them.
 *
 * - Probabilities: floats `[rows, C]` with C not 1: the one whose name has `prob`; else, where the classes are known,
 *   the first with as many columns; else the first beside an output of whole numbers or texts.
 * - Label: whole numbers, booleans or texts, `[rows]` or `[rows, 1]`: the one whose name has `label` or `class`; else the
 *   first of texts; else, beside probabilities, the first.
 * - With neither, the value is the first output of floats, or the first of all.
 */
export function readOutputs({ outputs }: Signature, classes: readonly string[]): TabularOutputs {
  const labels = outputs.filter(({ dtype, shape }) => !isFloat(dtype) && isColumn(shape));
  const tables = outputs.filter(({ dtype, shape }) => isFloat(dtype) && shape.length === 2 && shape[1] !== 1);
  const fits = ({ shape }: TensorSpec): boolean =>
    classes.length > 0 && (typeof shape[1] === 'string' || shape[1] === classes.length);
  const probabilities =
    tables.find(({ name }) => /prob/i.test(name)) ?? tables.find(fits) ?? (labels.length > 0 ? tables[0] : undefined);
  const label =
    labels.find(({ name }) => /label|class/i.test(name)) ??
    labels.find(({ dtype }) => dtype === 'BYTES') ??
    (probabilities ? labels[0] : undefined);
  if (label || probabilities) return { label, probabilities };
  return { value: outputs.find(({ dtype }) => isFloat(dtype)) ?? outputs[0] };
}

/** One row's outputs, without the dimension of the rows. */
export interface RowTensors {
  readonly label?: Tensor;
  readonly probabilities?: Tensor;
  readonly value?: Tensor;
}

/** `{value}`, or what there is of `{label, score, probabilities}`. */
export function rowAnswer(row: RowTensors, classes: readonly string[], options: EncodeOptions): JsonValue {
  if (row.value) return { value: scalar(encodeNested(row.value, options)) };
  const raw = row.label && scalar(encodeNested(row.label, options));
  if (!row.probabilities) return { label: nameOf({ raw, best: undefined, classes }) };
  const probabilities = encodeNested(row.probabilities, options) as readonly JsonValue[];
  const named = classes.length === probabilities.length ? classes : [];
  const best = indexOfBest(floatsOf(row.probabilities));
  const label = nameOf({ raw, best, classes: named });
  const index = named.indexOf(String(label));
  return {
    label,
    score: probabilities[index < 0 ? best : index]!,
    probabilities:
      named.length > 0 ? Object.fromEntries(named.map((name, at) => [name, probabilities[at]!])) : probabilities,
  };
}

/** Schema of one row's answer. */
export function answerSchema({ label, probabilities, value }: TabularOutputs, classes: readonly string[]): Schema {
  if (value) return objectOf({ value: valueSchema(value) });
  const known: Schema = { enum: classes };
  const labelSchema = classes.length > 0 ? known : label ? elementOf(label.dtype) : { type: 'integer', minimum: 0 };
  if (!probabilities) return objectOf({ label: labelSchema });
  const number = elementOf(probabilities.dtype);
  const table =
    classes.length > 0
      ? objectOf(Object.fromEntries(classes.map((name) => [name, number])))
      : listOf(number, probabilities.shape[1]);
  return objectOf({ label: labelSchema, score: number, probabilities: table });
}

interface Named {
  /** What the model's label says; undefined where it has none. */
  readonly raw: JsonValue | undefined;
  /** The class with the highest probability. */
  readonly best: number | undefined;
  readonly classes: readonly string[];
}

/** A label that is no class's name is a number of the exporter's own; then the highest probability names the class. */
function nameOf({ raw, best, classes }: Named): JsonValue {
  if (classes.includes(String(raw))) return String(raw);
  return classes[best ?? Number(raw)] ?? raw ?? best ?? null;
}

/** The index of the largest number, the first of equals; NaN is less than any. */
function indexOfBest(values: ArrayLike<number>): number {
  let best = 0;
  for (let index = 1; index < values.length; index += 1) {
    if (values[index] > values[best] || Number.isNaN(values[best])) best = index;
  }
  return best;
}

/** A single number in a list of one is that number. */
function scalar(value: JsonValue): JsonValue {
  return Array.isArray(value) && value.length === 1 ? (value as readonly JsonValue[])[0]! : value;
}

function valueSchema({ dtype, shape }: TensorSpec): Schema {
  return isColumn(shape) ? elementOf(dtype) : nestedOf(dtype, shape.slice(1));
}

function isColumn(shape: TensorSpec['shape']): boolean {
  return shape.length === 1 || (shape.length === 2 && shape[1] === 1);
}
