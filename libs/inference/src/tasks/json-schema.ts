import {
  type DecodeOptions,
  type Dimension,
  type Dtype,
  type JsonValue,
  type Signature,
  type TensorSpec,
  isFloat,
} from '@app/core';
import { batchLayoutOf } from './batch-layout';

/** A JSON Schema (draft 2020-12), or a part of one. */
export type Schema = { readonly [key: string]: JsonValue };

/** Marks the outermost schema with the draft that it is written in, and shows a value that it accepts. */
export function document(schema: Schema, example?: JsonValue): Schema {
  const examples: Schema = example === undefined ? {} : { examples: [example] };
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', ...schema, ...examples };
}

/** An object with exactly these fields, of which those in `optional` may be absent. */
export function objectOf(properties: Schema, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required, additionalProperties: false };
}

/** A list of `items`; a fixed dimension fixes its length. */
export function listOf(items: JsonValue, dimension: Dimension = ''): Schema {
  if (typeof dimension === 'string') return { type: 'array', items };
  return { type: 'array', items, minItems: dimension, maxItems: dimension };
}

/** Lists nested as the shape, the outermost dimension first; a scalar for an empty shape. */
export function nestedOf(dtype: Dtype, shape: readonly Dimension[]): Schema {
  return shape.reduceRight<Schema>((inner, dimension) => listOf(inner, dimension), elementOf(dtype));
}

/** Whether the dimension of the rows is part of a value. */
type Rows = 'kept' | 'left-out';

/** Inputs or outputs by name, each nested as its shape. */
export function tensorSchemas(specs: readonly TensorSpec[], rows: Rows): Schema {
  return Object.fromEntries(specs.map((spec) => [spec.name, tensorSchema(spec, rows)]));
}

/** Schemas of the tensors form: where the model has rows, all values may leave their dimension out. */
export function tensorsFormSchemas(signature: Signature): { readonly inputs: Schema; readonly outputs: Schema } {
  const kept = (specs: readonly TensorSpec[], optional: readonly string[]): Schema =>
    objectOf(tensorSchemas(specs, 'kept'), optional);
  const either = (specs: readonly TensorSpec[], optional: readonly string[]): Schema => ({
    anyOf: [kept(specs, optional), objectOf(tensorSchemas(specs, 'left-out'), optional)],
  });
  const schemaOf = batchLayoutOf(signature) === 'whole' ? kept : either;
  const anyOutput = signature.outputs.map(({ name }) => name);
  return {
    inputs: document(schemaOf(signature.inputs, []), exampleOf(signature.inputs, 'kept')),
    outputs: document(schemaOf(signature.outputs, anyOutput)),
  };
}

/** Examples with more numbers than this tell nobody anything. */
const MAX_EXAMPLE_ELEMENTS = 100;

/** A value of the right form: zeros and texts, where dynamic dimensions are 1; none where it would be long. */
export function exampleOf(specs: readonly TensorSpec[], rows: Rows): JsonValue | undefined {
  const sizesOf = ({ shape }: TensorSpec): readonly number[] =>
    (rows === 'kept' ? shape : shape.slice(1)).map((dimension) => (typeof dimension === 'number' ? dimension : 1));
  const counts = specs.map((spec) => sizesOf(spec).reduce((count, size) => count * size, 1));
  if (counts.some((count) => count > MAX_EXAMPLE_ELEMENTS)) return undefined;
  const nest = (spec: TensorSpec): JsonValue =>
    sizesOf(spec).reduceRight((inner, size) => new Array<JsonValue>(size).fill(inner), elementExample(spec.dtype));
  return Object.fromEntries(specs.map((spec) => [spec.name, nest(spec)]));
}

/** One element of the right type. */
export function elementExample(dtype: Dtype): JsonValue {
  if (dtype === 'BYTES') return 'text';
  return dtype === 'BOOL' ? true : 0;
}

function tensorSchema({ dtype, shape }: TensorSpec, rows: Rows): Schema {
  const kept = rows === 'kept' ? shape : shape.slice(1);
  const written = kept.map((dimension) => (dimension === '' ? 'any' : dimension)).join(', ');
  return { description: `${dtype} [${written}]`, ...nestedOf(dtype, kept) };
}

/** One element of a tensor in JSON; what a client may send is narrowed and widened by the input's options. */
export function elementOf(dtype: Dtype, { coerce, nullAsNan, onNonFinite }: DecodeOptions = {}): Schema {
  if (dtype === 'BOOL') return coerce ? { enum: [true, false, 0, 1] } : { type: 'boolean' };
  if (!isFloat(dtype)) return ELEMENTS[dtype];
  const numbers: Schema = onNonFinite === 'reject' ? { type: 'number' } : ELEMENTS[dtype];
  return nullAsNan ? { anyOf: [numbers, { type: 'null' }] } : numbers;
}

const float: Schema = { anyOf: [{ type: 'number' }, { enum: ['NaN', 'Infinity', '-Infinity'] }] };
const bounded = (minimum: number, maximum: number): Schema => ({ type: 'integer', minimum, maximum });

/** 64-bit integers travel as numbers where they are safe, as strings of digits everywhere. */
const wide = (minimum: number, pattern: string): Schema => ({
  anyOf: [
    { type: 'integer', minimum, maximum: Number.MAX_SAFE_INTEGER },
    { type: 'string', pattern },
  ],
});

const ELEMENTS: Readonly<Record<Dtype, Schema>> = {
  BOOL: { type: 'boolean' },
  INT8: bounded(-128, 127),
  INT16: bounded(-32768, 32767),
  INT32: bounded(-2147483648, 2147483647),
  INT64: wide(Number.MIN_SAFE_INTEGER, '^-?(0|[1-9][0-9]{0,18})$'),
  UINT8: bounded(0, 255),
  UINT16: bounded(0, 65535),
  UINT32: bounded(0, 4294967295),
  UINT64: wide(0, '^-?(0|[1-9][0-9]{0,19})$'),
  FP16: float,
  BF16: float,
  FP32: float,
  FP64: float,
  BYTES: { type: 'string' },
};
