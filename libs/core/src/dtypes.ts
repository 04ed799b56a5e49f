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
