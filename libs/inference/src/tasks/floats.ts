import { type Dtype, type Tensor, viewOf } from '@app/core';

// TypeScript's library for ES2024 does not know Float16Array, which Node 24 has.
const { Float16Array } = globalThis as unknown as { Float16Array: Float32ArrayConstructor };

/** Whether a model's output of this type holds numbers with a fraction. No engine gives BF16. */
export function isFloat(dtype: Dtype): boolean {
  return dtype === 'FP16' || dtype === 'FP32' || dtype === 'FP64';
}

/** The numbers of an FP16, FP32 or FP64 tensor, as a view on it where its bytes are aligned. */
export function floatsOf(tensor: Tensor): Float32Array | Float64Array {
  if (tensor.dtype === 'FP64') return viewOf(tensor, 'FP64');
  if (tensor.dtype === 'FP32') return viewOf(tensor, 'FP32');
  const { buffer, byteOffset, length } = viewOf(tensor, 'FP16');
  return new Float16Array(buffer, byteOffset, length);
}
