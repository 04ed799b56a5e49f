import { isUtf8 } from 'node:buffer';
import { QuaysideError } from './errors';
import type { JsonValue, RawJson } from './json';
import { type Tensor, elementsOf, floatsOf, textOf, viewOf } from './tensor';

/** How tensors are written as JSON. */
export interface EncodeOptions {
  /**
   * 64-bit integers. `auto` (default): numbers where the whole tensor is within 2^53 - 1, else all strings. `number`:
   * numbers with exact digits, which most JSON readers round.
   */
  readonly int64?: 'auto' | 'string' | 'number';
  /** NaN and infinities: strings (default), null, or the error non_finite_output. */
  readonly nonfinite?: 'string' | 'null' | 'error';
}

/** What a reader must know beyond the dtype; the names are those of `parameters` in the Open Inference Protocol. */
export interface EncodedParameters {
  /** Every element is a string of digits. */
  readonly int64_encoding?: 'string';
  /** Some elements are NaN or infinite. */
  readonly nonfinite?: true;
  /** Every element is base64, as some are not UTF-8. */
  readonly content_type?: 'base64';
}

/** The elements of a tensor in row-major order, for `JSON.stringify`. */
export interface EncodedTensor {
  readonly data: readonly JsonValue[];
  readonly parameters: EncodedParameters;
}

// TypeScript's library does not know it yet: https://github.com/tc39/proposal-json-parse-with-source
const { rawJSON } = JSON as unknown as { rawJSON(text: string): RawJson };
const NEGATIVE_ZERO = rawJSON('-0');
const [MIN_SAFE, MAX_SAFE] = [BigInt(Number.MIN_SAFE_INTEGER), BigInt(Number.MAX_SAFE_INTEGER)];

/**
 * The flat data of a tensor. Read back with `decodeJson` and the parameters' options it has the same bits (NaN: the
 * quiet one). Throws non_finite_output with `nonfinite: 'error'`.
 */
export function encodeJson(tensor: Tensor, options: EncodeOptions = {}): EncodedTensor {
  const { dtype } = tensor;
  switch (dtype) {
    case 'BOOL':
      return { data: Array.from(viewOf(tensor, dtype), (value) => value !== 0), parameters: {} };
    case 'INT64':
    case 'UINT64':
      return encodeWideIntegers(viewOf(tensor, dtype), options);
    case 'FP16':
    case 'BF16':
    case 'FP32':
    case 'FP64':
      return encodeFloats(floatsOf(tensor), options);
    case 'BYTES':
      return encodeBytes(elementsOf(tensor));
    default:
      return { data: Array.from(viewOf(tensor, dtype)), parameters: {} };
  }
}

/** The values of a tensor nested as its shape; a scalar is its value. Throws non_finite_output with `nonfinite: 'error'`. */
export function encodeNested(tensor: Tensor, options: EncodeOptions = {}): JsonValue {
  let level: readonly JsonValue[] = encodeJson(tensor, options).data;
  for (let dimension = tensor.shape.length - 1; dimension > 0; dimension--) {
    const groups = tensor.shape.slice(0, dimension).reduce((product, size) => product * size, 1);
    level = grouped(level, groups, tensor.shape[dimension] ?? 0);
  }
  return tensor.shape.length === 0 ? (level[0] ?? null) : level;
}

function grouped(values: readonly JsonValue[], groups: number, size: number): JsonValue[] {
  return Array.from({ length: groups }, (_, group) => values.slice(group * size, (group + 1) * size));
}

function encodeFloats(values: Float32Array | Float64Array, { nonfinite = 'string' }: EncodeOptions): EncodedTensor {
  const data = new Array<JsonValue>(values.length);
  let specials = false;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? 0;
    if (Number.isFinite(value)) data[index] = Object.is(value, -0) ? NEGATIVE_ZERO : value;
    else {
      specials = true;
      data[index] = encodeNonFinite(value, nonfinite);
    }
  }
  return { data, parameters: specials ? { nonfinite: true } : {} };
}

function encodeNonFinite(value: number, as: 'string' | 'null' | 'error'): JsonValue {
  if (as === 'error') {
    throw new QuaysideError(
      'non_finite_output',
      'The model answered NaN or an infinity, which this route cannot express.',
    );
  }
  return as === 'null' ? null : String(value);
}

function encodeWideIntegers(values: BigInt64Array | BigUint64Array, { int64 = 'auto' }: EncodeOptions): EncodedTensor {
  const integers = Array.from<bigint>(values);
  const safe = (value: bigint): boolean => value >= MIN_SAFE && value <= MAX_SAFE;
  if (int64 === 'number') {
    return { data: integers.map((value) => (safe(value) ? Number(value) : rawJSON(value.toString()))), parameters: {} };
  }
  if (int64 === 'auto' && integers.every(safe)) return { data: integers.map(Number), parameters: {} };
  return { data: integers.map(String), parameters: { int64_encoding: 'string' } };
}

function encodeBytes(elements: readonly Uint8Array[]): EncodedTensor {
  if (elements.every((element) => isUtf8(element))) return { data: elements.map(textOf), parameters: {} };
  return { data: elements.map(base64Of), parameters: { content_type: 'base64' } };
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
