import { INTEGER_RANGE, isFloat, isInteger } from './dtypes';
import { elementFault, inputError, inputFault } from './input-fault';
import { type StoredDtype, type StoredScalar, type StoredValue, decodeStored, elementDtype } from './stored-value';
import { type Tensor, elementCount, elementsOf, floatsOf, tensorOf, textOf, viewOf } from './tensor';
import { decodeNested } from './tensor-decoder';
import { decodeTimestamp, encodeTimestamp } from './timestamp';

/** What a client's value is to become. */
export interface StoredTarget {
  readonly dtype: StoredDtype;
  /** Of an array, every dimension fixed; absent: a single value. */
  readonly shape?: readonly number[];
  /** Path of the value, such as `rows[3].features.amount`; errors add indices. */
  readonly field: string;
}

/**
 * A stored value from a client's JSON, judged by the table of `docs/numbers.md`: 64-bit integers as safe numbers or
 * decimal strings, floats rounded once to their dtype, `TIMESTAMP` with a zone, `BYTES` as base64, arrays as nested
 * lists. What `encodeStored` writes is taken too. Throws invalid_input with up to 10 details.
 */
export function decodeStoredInput(target: StoredTarget, value: unknown): StoredValue {
  const plain = target.shape ? undefined : plainScalar(target.dtype, value);
  if (plain !== undefined) return plain;
  if (value === '-0' && isFloatOf(target.dtype) && !target.shape) return -0;
  if (target.shape) return decodeArray({ ...target, shape: target.shape }, value);
  if (target.dtype === 'TIMESTAMP') return decodeTimestamp(value, target.field);
  return scalarOf(target.dtype, decodeElements(target, [], value));
}

/** A value that is what it stands for: most are, and the full decoder takes ten times as long. Undefined: it has to judge. */
function plainScalar(dtype: StoredDtype, value: unknown): StoredScalar | undefined {
  if (typeof value === 'string') return dtype === 'STRING' && isStorable(value) ? value : undefined;
  if (typeof value === 'boolean') return dtype === 'BOOL' ? value : undefined;
  if (typeof value !== 'number') return undefined;
  if (dtype === 'FP64') return Number.isFinite(value) ? value : undefined;
  if (dtype === 'FP32') return Number.isFinite(Math.fround(value)) ? Math.fround(value) : undefined;
  // Integers: a negative zero is one of the cases that the decoder knows.
  const isWhole = Number.isSafeInteger(value) && !Object.is(value, -0);
  if (!isWhole || dtype === 'STRING' || dtype === 'TIMESTAMP' || !isInteger(dtype)) return undefined;
  const [min, max] = INTEGER_RANGE[dtype];
  if (value < min || value > max) return undefined;
  return dtype === 'INT64' || dtype === 'UINT64' ? BigInt(value) : value;
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/**
 * The canonical text of a join key's value, so that `42` and `"42"` are one INT64 key: integers as decimal digits, text
 * as itself, `TIMESTAMP` as RFC 3339 with `Z`, `BYTES` as base64, `BOOL` as true or false. Throws invalid_input.
 */
export function decodeKeyText({ dtype, field }: Omit<StoredTarget, 'shape'>, value: unknown): string {
  if (dtype !== 'STRING' && dtype !== 'TIMESTAMP' && isInteger(dtype)) return integerText({ dtype, field }, value);
  const decoded = decodeStoredInput({ dtype, field }, dtype === 'BOOL' ? booleanOf(value) : value);
  if (typeof decoded === 'bigint') return encodeTimestamp(decoded);
  return typeof decoded === 'object' ? String(value) : String(decoded);
}

function integerText(
  { dtype, field }: { readonly dtype: keyof typeof INTEGER_RANGE; readonly field: string },
  value: unknown,
): string {
  const plain = plainScalar(dtype, value);
  if (plain !== undefined) return String(plain);
  const wide = dtype === 'UINT64' ? dtype : 'INT64';
  const [integer = 0n] = viewOf(decodeNested({ dtype: wide, shape: [], field }, value), wide);
  const [min, max] = INTEGER_RANGE[dtype];
  if (integer < min || integer > max) throw inputError([elementFault(field, 'out_of_range', dtype)]);
  return integer.toString();
}

/** A URL can carry a boolean only as text. */
function booleanOf(value: unknown): unknown {
  return value === 'true' ? true : value === 'false' ? false : value;
}

function decodeArray(target: StoredTarget & { readonly shape: readonly number[] }, value: unknown): Tensor {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return decodeCanonical(target, value);
  if (target.dtype !== 'TIMESTAMP') return decodeElements(target, target.shape, value);
  return decodeMoments(target, value);
}

/** Moments are read as text first, which checks the nesting, and then one by one. */
function decodeMoments(target: StoredTarget & { readonly shape: readonly number[] }, value: unknown): Tensor {
  const texts = decodeNested({ dtype: 'BYTES', shape: target.shape, field: target.field }, value, {
    dtypeName: target.dtype,
  });
  const moments = elementsOf(texts).map((text, at) => decodeTimestamp(textOf(text), `${target.field}[${at}]`));
  return tensorOf('INT64', target.shape, moments);
}

function decodeElements({ dtype, field }: StoredTarget, shape: readonly number[], value: unknown): Tensor {
  const reading = dtype === 'BYTES' ? ({ contentType: 'base64' } as const) : ({ nulCharacter: 'reject' } as const);
  return decodeNested({ dtype: elementDtype(dtype), shape, field }, value, { ...reading, dtypeName: dtype });
}

function decodeCanonical({ dtype, shape, field }: StoredTarget, value: object): Tensor {
  const tensor = canonicalTensor(dtype, value);
  if (!tensor) throw inputError([inputFault(field, 'ragged_array', 'must be a list, or an array as it is stored')]);
  const fits = elementCount(tensor.shape) === elementCount(shape ?? []) && String(tensor.shape) === String(shape);
  if (!fits) throw inputError([inputFault(field, 'shape_mismatch')]);
  const decoded = dtype === 'STRING' ? elementsOf(tensor).map(textOf) : [];
  if (decoded.some((text) => text.includes('\0'))) throw inputError([inputFault(field, 'nul_character')]);
  return tensor;
}

function canonicalTensor(dtype: StoredDtype, value: object): Tensor | undefined {
  try {
    return decodeStored(dtype, value) as Tensor;
  } catch {
    return undefined;
  }
}

/** The one element of a tensor without dimensions. */
function scalarOf(dtype: Exclude<StoredDtype, 'TIMESTAMP'>, tensor: Tensor): StoredScalar {
  if (dtype === 'STRING') return textOf(elementsOf(tensor)[0] ?? new Uint8Array());
  if (dtype === 'BYTES') return elementsOf(tensor)[0] ?? new Uint8Array();
  if (dtype === 'BOOL') return tensor.bytes[0] === 1;
  if (isFloat(dtype)) return floatsOf(tensor)[0] ?? 0;
  return viewOf(tensor, dtype)[0] ?? 0;
}

function isFloatOf(dtype: StoredDtype): boolean {
  return dtype !== 'STRING' && dtype !== 'TIMESTAMP' && isFloat(dtype);
}
