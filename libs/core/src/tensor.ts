import type { Dtype } from './dtypes';

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
