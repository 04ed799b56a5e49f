import { isUtf8 } from 'node:buffer';
import { packElements, unpackElements } from './bytes-layout';
import { BYTE_WIDTH, type Dtype, type FixedDtype } from './dtypes';
import { halfBits, halfValue } from './half-floats';
import { inputError, inputFault } from './input-fault';

/**
 * A dense tensor, row-major. `bytes` holds the elements little-endian in the binary layout of the Open Inference
 * Protocol: fixed width per element, `BOOL` one byte (0 or 1), `BYTES` a 4-byte length followed by that many bytes.
 * The product of `shape` is the number of elements. Bytes are never changed after construction.
 */
export interface Tensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Tensors by name. Built without a prototype where the names come from a user. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** A dimension: a fixed size, a symbol shared by dimensions of equal size, or `''` for an unnamed dynamic one. */
export type Dimension = number | string;

/** What a model declares of one input or output. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly Dimension[];
}

/** What a model takes and gives, in the model's own order. */
export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

// Typed arrays have the host's byte order; every platform that ONNX Runtime ships for is little-endian.
const VIEWS = {
  BOOL: Uint8Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  FP16: Uint16Array,
  BF16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const satisfies Record<FixedDtype, unknown>;

/** The typed array over elements of a dtype; FP16 and BF16 show their bits. */
export type TensorView<D extends FixedDtype = FixedDtype> = InstanceType<(typeof VIEWS)[D]>;

interface ViewConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): TensorView;
}

/** JavaScript values of a tensor, in row-major order. Strings and byte arrays are `BYTES`; a typed array must be of the dtype's kind. */
export type TensorValues =
  | readonly number[]
  | readonly bigint[]
  | readonly boolean[]
  | readonly string[]
  | readonly Uint8Array[]
  | NodeJS.TypedArray;

// TypeScript's library for ES2024 does not know Float16Array, which Node 24 has.
const { Float16Array } = globalThis as unknown as { Float16Array: Float32ArrayConstructor };

/** More elements than this in one tensor are refused; far above what any body or frame can carry. */
const MAX_ELEMENTS = 2 ** 28;
/** More dimensions than JSON may nest. */
const MAX_RANK = 64;

/**
 * The number of elements of a shape, multiplied with a check and without allocating. Throws invalid_input with the
 * detail invalid_shape (not a list of up to 64 whole numbers from 0 on) or too_many_elements, on `field`.
 */
export function elementCount(shape: readonly number[], field = 'shape'): number {
  if (!Array.isArray(shape) || shape.length > MAX_RANK) throw inputError([inputFault(field, 'invalid_shape')]);
  let count = 1;
  let bound = 1;
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0) throw inputError([inputFault(field, 'invalid_shape')]);
    count *= size;
    // A zero elsewhere does not make huge dimensions harmless: engines multiply them too.
    bound *= Math.max(size, 1);
    if (bound > MAX_ELEMENTS) throw inputError([inputFault(field, 'too_many_elements')]);
  }
  return count;
}

/**
 * A tensor of values that this server made (a client's go through `decodeJson` and its kin). A typed array of the
 * dtype's kind is used without a copy and then belongs to the tensor; numbers become FP16 and BF16 rounded once.
 * Throws RangeError when the count does not fit the shape, TypeError for another kind of typed array.
 */
export function tensorOf(dtype: Dtype, shape: readonly number[], values: TensorValues): Tensor {
  if (values.length !== elementCount(shape)) {
    throw new RangeError(`${values.length} values do not fill the shape [${shape.join(',')}]`);
  }
  if (ArrayBuffer.isView(values)) return { dtype, shape, bytes: bytesOfView(dtype, values) };
  if (dtype === 'BYTES') return { dtype, shape, bytes: packElements(values as readonly string[]) };
  const bytes = new Uint8Array(values.length * BYTE_WIDTH[dtype]);
  fill(dtype, bytes.buffer, values as readonly number[]);
  return { dtype, shape, bytes };
}

/**
 * The elements as a typed array: on the tensor's own bytes, or on one copy where they are not aligned. With `dtype`
 * the result has its type. Throws TypeError for `BYTES`, and where the tensor has another dtype than asked for.
 */
export function viewOf<D extends FixedDtype>(tensor: Tensor, dtype?: D): TensorView<D> {
  if (tensor.dtype === 'BYTES' || (dtype !== undefined && dtype !== tensor.dtype)) {
    throw new TypeError(`no ${dtype ?? 'typed array'} view on a tensor of ${tensor.dtype}`);
  }
  const View: ViewConstructor = VIEWS[tensor.dtype];
  const aligned = tensor.bytes.byteOffset % View.BYTES_PER_ELEMENT === 0;
  const { buffer, byteOffset, byteLength } = aligned ? tensor.bytes : new Uint8Array(tensor.bytes);
  return new View(buffer, byteOffset, byteLength / View.BYTES_PER_ELEMENT) as TensorView<D>;
}

/**
 * The numbers of a tensor of floats, exactly; for all but BF16 as a view on its bytes where they are aligned. Throws
 * TypeError for another dtype.
 */
export function floatsOf(tensor: Tensor): Float32Array | Float64Array {
  if (tensor.dtype === 'FP32' || tensor.dtype === 'FP64') return viewOf(tensor, tensor.dtype);
  if (tensor.dtype === 'BF16') return Float64Array.from(viewOf(tensor, 'BF16'), (bits) => halfValue('BF16', bits));
  const { buffer, byteOffset, length } = viewOf(tensor, 'FP16');
  return new Float16Array(buffer, byteOffset, length);
}

/** The elements of a `BYTES` tensor, as views on its bytes. Throws TypeError for another dtype. */
export function elementsOf(tensor: Tensor): Uint8Array[] {
  if (tensor.dtype !== 'BYTES') throw new TypeError(`a tensor of ${tensor.dtype} has no byte elements`);
  return unpackElements(tensor.bytes);
}

/**
 * The elements of a `BYTES` tensor as text. A leading byte order mark stays. Throws invalid_input (detail
 * invalid_unicode on `field` and its index) where an element is not UTF-8.
 */
export function textsOf(tensor: Tensor, field = 'input'): string[] {
  return elementsOf(tensor).map((element, index) => {
    if (!isUtf8(element)) throw inputError([inputFault(`${field}[${index}]`, 'invalid_unicode')]);
    return textOf(element);
  });
}

/** Every tensor changed by `map`, under its own name. */
export function mapTensors(tensors: NamedTensors, map: (tensor: Tensor, name: string) => Tensor): NamedTensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, map(tensor, name)]));
}

/** The text of bytes that are known to be UTF-8. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** Writes a safe integer as a little-endian 64-bit one, two's complement, without making a BigInt. */
export function writeSafeInteger(words: Uint32Array, at: number, value: number): void {
  words[at * 2] = value;
  words[at * 2 + 1] = Math.floor(value / 2 ** 32);
}

function fill(dtype: FixedDtype, buffer: ArrayBuffer, values: readonly (number | bigint | boolean)[]): void {
  if (dtype === 'INT64' || dtype === 'UINT64') return fillIntegers(buffer, values);
  const view: { [index: number]: number } = new VIEWS[dtype](buffer);
  const half = dtype === 'FP16' || dtype === 'BF16' ? dtype : undefined;
  for (let index = 0; index < values.length; index++) {
    const value = Number(values[index]);
    view[index] = half ? halfBits(half, value) : value;
  }
}

function fillIntegers(buffer: ArrayBuffer, values: readonly (number | bigint | boolean)[]): void {
  const wide = new BigInt64Array(buffer);
  const words = new Uint32Array(buffer);
  values.forEach((value, index) => {
    if (typeof value === 'bigint') wide[index] = value;
    else writeSafeInteger(words, index, Number(value));
  });
}

function bytesOfView(dtype: Dtype, view: NodeJS.TypedArray): Uint8Array {
  // By name, not instanceof: the engine's arrays may come from another realm. Its FP16 outputs are Float16Arrays.
  const kind = view[Symbol.toStringTag] as string;
  const fits = dtype !== 'BYTES' && (kind === VIEWS[dtype].name || (dtype === 'FP16' && kind === 'Float16Array'));
  if (!fits) throw new TypeError(`a ${kind} does not hold ${dtype}`);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
