/** The element types of a tensor, named as in the Open Inference Protocol v2. */
export const DTYPES = [
  'BOOL',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'FP16',
  'BF16',
  'FP32',
  'FP64',
  'BYTES',
] as const;

/** An element type of a tensor. `BYTES` elements are byte strings, which models see as UTF-8 text. */
export type Dtype = (typeof DTYPES)[number];

/** The element types of fixed width: all but `BYTES`. */
export type FixedDtype = Exclude<Dtype, 'BYTES'>;

/** The element types that can hold NaN and the infinities. */
export type FloatDtype = 'FP16' | 'BF16' | 'FP32' | 'FP64';

/** Bytes per element in memory, in executor frames and on the wire. */
export const BYTE_WIDTH = {
  BOOL: 1,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  FP16: 2,
  BF16: 2,
  FP32: 4,
  FP64: 8,
} as const satisfies Record<FixedDtype, number>;

/** The smallest and the largest value of each integer type. */
export const INTEGER_RANGE = {
  INT8: [-128n, 127n],
  INT16: [-32_768n, 32_767n],
  INT32: [-2_147_483_648n, 2_147_483_647n],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
  UINT8: [0n, 255n],
  UINT16: [0n, 65_535n],
  UINT32: [0n, 4_294_967_295n],
  UINT64: [0n, 2n ** 64n - 1n],
} as const satisfies Partial<Record<FixedDtype, readonly [bigint, bigint]>>;

/** The integer element types. */
export type IntegerDtype = keyof typeof INTEGER_RANGE;

/** Whether elements can be NaN or infinite. */
export function isFloat(dtype: Dtype): dtype is FloatDtype {
  return dtype === 'FP32' || dtype === 'FP64' || dtype === 'FP16' || dtype === 'BF16';
}

/** Whether elements are whole numbers. */
export function isInteger(dtype: Dtype): dtype is IntegerDtype {
  return dtype in INTEGER_RANGE;
}
