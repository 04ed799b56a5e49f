import { DTYPES, type Dtype, type StoredDtype, type StoredScalar } from '@app/core';
import { type CastMode, castOf } from './casts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** One value for each rule: cast from, to, with, and what it becomes. */
const TAKEN: readonly (readonly [StoredDtype, Dtype, CastMode | undefined, StoredScalar, StoredScalar])[] = [
  ['FP32', 'FP32', undefined, -0, -0],
  ['INT8', 'INT64', undefined, -128, -128n],
  ['UINT32', 'INT64', undefined, 4_294_967_295, 4_294_967_295n],
  ['UINT8', 'INT16', undefined, 255, 255],
  ['BOOL', 'INT64', undefined, true, 1n],
  ['BOOL', 'FP32', undefined, false, 0],
  ['INT64', 'FP64', undefined, 2n ** 53n, 2 ** 53],
  ['INT64', 'FP64', undefined, -(2n ** 53n), -(2 ** 53)],
  ['INT64', 'FP32', undefined, 16_777_216n, 16_777_216],
  ['INT32', 'FP16', undefined, 2048, 2048],
  ['INT32', 'BF16', undefined, -256, -256],
  ['INT64', 'FP32', 'round', 16_777_217n, 16_777_216],
  ['INT64', 'FP32', 'round', 16_777_219n, 16_777_220],
  ['INT64', 'FP64', 'round', 2n ** 53n + 1n, 2 ** 53],
  ['UINT64', 'FP64', 'round', 2n ** 64n - 1n, 2 ** 64],
  ['FP64', 'FP32', undefined, 0.1, Math.fround(0.1)],
  ['FP64', 'FP32', undefined, 1 + 2 ** -24, 1],
  ['FP64', 'FP32', undefined, 1 + 3 * 2 ** -24, 1 + 2 ** -22],
  ['FP64', 'FP16', undefined, 2049, 2048],
  ['FP64', 'FP32', undefined, NaN, NaN],
  ['FP64', 'FP32', undefined, -Infinity, -Infinity],
  ['FP16', 'FP64', undefined, 65_504, 65_504],
  ['BF16', 'FP32', undefined, 2 ** 127, 2 ** 127],
  ['FP64', 'INT64', 'exact', -(2 ** 63), -(2n ** 63n)],
  ['FP32', 'UINT8', 'exact', 255, 255],
  ['FP64', 'INT32', 'exact', -0, 0],
  ['STRING', 'BYTES', undefined, 'Zürich 🏔', 'Zürich 🏔'],
  ['BYTES', 'BYTES', undefined, utf8('\ufeffé'), '\ufeffé'],
  ['TIMESTAMP', 'INT64', undefined, -1n, -1n],
];

const REFUSED: readonly (readonly [StoredDtype, Dtype, CastMode | undefined, StoredScalar])[] = [
  ['INT64', 'FP64', undefined, 2n ** 53n + 1n],
  ['INT64', 'FP32', undefined, 16_777_217n],
  ['INT64', 'FP32', undefined, -16_777_217n],
  ['INT32', 'FP16', undefined, 2049],
  ['INT32', 'BF16', undefined, 257],
  ['INT32', 'FP16', 'round', 65_520],
  ['FP64', 'FP32', undefined, 3.5e38],
  ['FP32', 'FP16', undefined, 65_520],
  ['FP64', 'INT64', 'exact', 0.5],
  ['FP64', 'INT64', 'exact', 2 ** 63],
  ['FP64', 'INT64', 'exact', NaN],
  ['FP32', 'UINT8', 'exact', -1],
  ['BYTES', 'BYTES', undefined, new Uint8Array([0xff])],
];

const FORBIDDEN: readonly (readonly [StoredDtype, Dtype, CastMode | undefined])[] = [
  ['INT64', 'INT32', 'exact'],
  ['INT8', 'UINT16', 'exact'],
  ['UINT64', 'INT64', 'round'],
  ['INT32', 'BOOL', 'exact'],
  ['FP64', 'INT64', undefined],
  ['FP64', 'INT64', 'round'],
  ['STRING', 'INT64', 'exact'],
  ['STRING', 'FP32', 'round'],
  ['BYTES', 'FP64', 'exact'],
  ['BOOL', 'BYTES', undefined],
  ['FP32', 'BYTES', 'exact'],
  ['TIMESTAMP', 'FP64', 'round'],
  ['TIMESTAMP', 'BYTES', undefined],
];

describe(castOf.name, () => {
  it.each(TAKEN)('takes %s for %s with %s: %p becomes %p', (from, to, mode, value, becomes) => {
    expect(castOf(from, to, mode)?.(value)).toBe(becomes);
  });

  it.each(REFUSED)('refuses a value that %s loses as %s with %s: %p', (from, to, mode, value) => {
    const cast = castOf(from, to, mode);
    expect(cast).toBeDefined();
    expect(cast?.(value)).toBeUndefined();
  });

  it.each(FORBIDDEN)('has no cast from %s to %s with %s, whatever the value', (from, to, mode) => {
    expect(castOf(from, to, mode)).toBeUndefined();
  });

  it('rounds a large integer once, and not by way of a double', () => {
    const odd = 2n ** 60n + 2n ** 36n + 1n;
    expect(Math.fround(Number(odd))).toBe(2 ** 60);
    expect(castOf('INT64', 'FP32', 'round')?.(odd)).toBe(2 ** 60 + 2 ** 37);
    expect(castOf('INT64', 'FP32', 'round')?.(-odd)).toBe(-(2 ** 60 + 2 ** 37));
  });

  it('changes nothing where the dtypes are the same', () => {
    for (const dtype of DTYPES.filter((each) => each !== 'BYTES')) expect(castOf(dtype, dtype)?.(1)).toBe(1);
  });
});
