import type { Dimension, Dtype, TensorSpec } from '@app/core';
import { unfit } from './unfit';

/** `TensorProto.DataType` by number: those that can be an input or output, and the names of those that cannot. */
const DTYPES: Readonly<Record<number, Dtype>> = {
  1: 'FP32',
  2: 'UINT8',
  3: 'INT8',
  4: 'UINT16',
  5: 'INT16',
  6: 'INT32',
  7: 'INT64',
  8: 'BYTES',
  9: 'BOOL',
  10: 'FP16',
  11: 'FP64',
  12: 'UINT32',
  13: 'UINT64',
};
const UNSUPPORTED_DTYPES: Readonly<Record<number, string>> = {
  14: 'complex64',
  15: 'complex128',
  16: 'bfloat16',
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
  21: 'uint4',
  22: 'int4',
  23: 'float4e2m1',
};

/** An input or output as the file declares it. */
export interface ValueInfo {
  readonly name: string;
  readonly shape: readonly Dimension[];
  /** Of a tensor; 0 where the file names none. */
  readonly element: number;
  /** Set for what is not a tensor. */
  readonly kind?: string;
}

/** Gives it as the registry shows it. Throws model_load_failed for an element type that cannot be served. */
export function toSpec({ name, element, shape }: ValueInfo, role: 'input' | 'output'): TensorSpec {
  const dtype = DTYPES[element];
  if (dtype) return { name, dtype, shape };
  const type = UNSUPPORTED_DTYPES[element] ?? `of the unknown type ${element}`;
  throw unfit(`its ${role} "${name}" is ${type}, which cannot be served; cast it to float32 or int64 inside the model`);
}

/** Says that an output is not a tensor, and what to do about it. */
export function leftOut({ name, kind }: ValueInfo): string {
  return `output "${name}" is ${kind} and left out: export with zipmap=False to have it as a tensor`;
}
