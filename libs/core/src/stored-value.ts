import { isUtf8 } from 'node:buffer';
import { BYTE_WIDTH, type Dtype, type FixedDtype, isFloat } from './dtypes';
import type { JsonValue } from './json';
import { type Tensor, elementCount, elementsOf, tensorOf, textOf } from './tensor';
import { decodeTimestamp, encodeTimestamp } from './timestamp';

/** The type of a stored value: an element type, or text, or a moment in microseconds UTC. */
export type StoredDtype = Dtype | 'STRING' | 'TIMESTAMP';

/**
 * One stored value that is not an array. 64-bit integers and `TIMESTAMP` (microseconds since the epoch, UTC) are
 * bigints; other numbers are numbers, of which FP16 and FP32 hold their exact double; `BYTES` is bytes.
 */
export type StoredScalar = boolean | number | bigint | string | Uint8Array;

/** A stored value. An array is a tensor: of `BYTES` (UTF-8) for `STRING`, of `INT64` for `TIMESTAMP`. */
export type StoredValue = StoredScalar | Tensor;

/**
 * How values are written in canonical JSON: which of the rules below made a text. Kept beside each stored text, so that
 * later rules can be told from these.
 */
export const STORED_CODEC = 1;

const TAGS = {
  BOOL: '$bool',
  INT8: '$i8',
  INT16: '$i16',
  INT32: '$i32',
  INT64: '$i64',
  UINT8: '$u8',
  UINT16: '$u16',
  UINT32: '$u32',
  UINT64: '$u64',
  FP16: '$f16',
  BF16: '$bf16',
  FP32: '$f32',
  FP64: '$f64',
} as const satisfies Record<FixedDtype, string>;

const DTYPE_OF_TAG: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ...Object.entries(TAGS).map(([dtype, tag]) => [tag, dtype as Dtype] as const),
  ['$string', 'BYTES'],
  ['$bytes', 'BYTES'],
]);

const SPECIAL_NUMBERS: ReadonlyMap<unknown, number> = new Map([
  ['-0', -0],
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

/**
 * Canonical JSON v1 of a value, which jsonb keeps to the bit: 64-bit integers as decimal strings, finite floats as
 * numbers, `"-0"`, `"NaN"`, `"Infinity"`, `"-Infinity"`, `TIMESTAMP` as RFC 3339 with `Z`, `BYTES` as base64, arrays as
 * `encodeStoredTensor`. The value must be of the dtype. Text must be well-formed and without U+0000.
 */
export function encodeStored(dtype: StoredDtype, value: StoredValue): JsonValue {
  if (isTensor(value)) return encodeStoredTensor(value);
  if (dtype === 'TIMESTAMP') return encodeTimestamp(value as bigint);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'object') return base64Of(value);
  return typeof value === 'number' ? encodeNumber(value) : value;
}

/** The value that `encodeStored` wrote, with the same bits. Throws TypeError for what it never writes. */
export function decodeStored(dtype: StoredDtype, json: unknown): StoredValue {
  if (typeof json === 'object' && json !== null) return decodeTensorOf(dtype, json);
  if (dtype === 'TIMESTAMP') return decodeTimestamp(json, 'stored value');
  if (dtype === 'INT64' || dtype === 'UINT64') return BigInt(expected('string', json, dtype));
  if (dtype === 'STRING') return expected('string', json, dtype);
  if (dtype === 'BYTES') return bytesOf(expected('string', json, dtype));
  if (dtype === 'BOOL') return expected('boolean', json, dtype);
  return (isFloat(dtype) ? SPECIAL_NUMBERS.get(json) : undefined) ?? expected('number', json, dtype);
}

/**
 * A tensor as `{"$f32": "<base64, little-endian>", "n": <elements>}`, with `"shape"` where it is not `[n]`. `BYTES` is a
 * list under `"$string"` where every element is text that jsonb takes, else of base64 under `"$bytes"`.
 */
export function encodeStoredTensor(tensor: Tensor): JsonValue {
  const n = elementCount(tensor.shape);
  const counted: Record<string, JsonValue> = tensor.shape.length === 1 ? { n } : { n, shape: tensor.shape };
  if (tensor.dtype !== 'BYTES') return { [TAGS[tensor.dtype]]: base64Of(tensor.bytes), ...counted };
  const elements = elementsOf(tensor);
  if (elements.every(isStorableText)) return { $string: elements.map(textOf), ...counted };
  return { $bytes: elements.map(base64Of), ...counted };
}

/** The tensor that `encodeStoredTensor` wrote, with the same bits. Throws TypeError for what it never writes. */
export function decodeStoredTensor(json: unknown): Tensor {
  const written = Object(json) as { readonly n?: unknown; readonly shape?: unknown };
  const tag = Object.keys(written).find((key) => DTYPE_OF_TAG.has(key)) ?? '';
  const dtype = DTYPE_OF_TAG.get(tag);
  const shape = (written.shape ?? [written.n]) as readonly number[];
  const content = (written as Readonly<Record<string, unknown>>)[tag];
  if (dtype === undefined || elementCount(shape) !== written.n) throw notCanonical('a tensor');
  return dtype === 'BYTES' ? byteElements(tag, shape, content) : fixedElements(dtype, shape, content);
}

/** Whether a stored value is an array. */
export function isTensor(value: StoredValue): value is Tensor {
  return typeof value === 'object' && 'dtype' in value;
}

function encodeNumber(value: number): JsonValue {
  return Number.isFinite(value) && !Object.is(value, -0) ? value : Object.is(value, -0) ? '-0' : String(value);
}

function decodeTensorOf(dtype: StoredDtype, json: object): Tensor {
  const tensor = decodeStoredTensor(json);
  if (tensor.dtype !== elementDtype(dtype)) throw notCanonical(dtype);
  return tensor;
}

/** The element type of the tensors that hold arrays of a stored type. */
export function elementDtype(dtype: StoredDtype): Dtype {
  if (dtype === 'STRING') return 'BYTES';
  return dtype === 'TIMESTAMP' ? 'INT64' : dtype;
}

function fixedElements(dtype: FixedDtype, shape: readonly number[], content: unknown): Tensor {
  // A copy that begins at an aligned address, so that views on it need none.
  const bytes = new Uint8Array(bytesOf(expected('string', content, dtype)));
  if (bytes.length !== elementCount(shape) * BYTE_WIDTH[dtype]) throw notCanonical(dtype);
  return { dtype, shape, bytes };
}

function byteElements(tag: string, shape: readonly number[], content: unknown): Tensor {
  if (!Array.isArray(content) || content.length !== elementCount(shape)) throw notCanonical('BYTES');
  const texts = content.map((item) => expected('string', item, 'BYTES'));
  return tag === '$string' ? tensorOf('BYTES', shape, texts) : tensorOf('BYTES', shape, texts.map(bytesOf));
}

function isStorableText(bytes: Uint8Array): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

interface Primitives {
  readonly string: string;
  readonly boolean: boolean;
  readonly number: number;
}

function expected<K extends keyof Primitives>(kind: K, json: unknown, dtype: StoredDtype): Primitives[K] {
  if (typeof json !== kind) throw notCanonical(dtype);
  return json as Primitives[K];
}

function notCanonical(what: string): TypeError {
  return new TypeError(`a stored ${what} is not written in canonical JSON v${STORED_CODEC}`);
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

function bytesOf(base64: string): Uint8Array {
  return Buffer.from(base64, 'base64');
}
