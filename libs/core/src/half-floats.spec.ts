import fc from 'fast-check';
import { type HalfDtype, halfBits, halfValue, isHalfFinite } from './half-floats';

// TypeScript's library has it only under ESNext; the engine has had it since V8 13.5.
const { f16round } = Math as unknown as { f16round(value: number): number };
const ALL_BITS = Array.from({ length: 0x10000 }, (_, bits) => bits);

describe.each<[HalfDtype, number]>([
  ['FP16', 0x7c00],
  ['BF16', 0x7f80],
])('%s', (dtype, infinity) => {
  const finite = ALL_BITS.slice(0, infinity);

  it('gives every number back as its own bits', () => {
    const changed = ALL_BITS.filter((bits) => {
      const value = halfValue(dtype, bits);
      return !Number.isNaN(value) && halfBits(dtype, value) !== bits;
    });
    expect(changed).toEqual([]);
  });

  it('rounds what lies between two neighbours to the nearer one, and the middle to the even one', () => {
    const wrong = finite.slice(0, -1).filter((bits) => {
      const [low, high] = [halfValue(dtype, bits), halfValue(dtype, bits + 1)];
      const middle = (low + high) / 2;
      const step = (high - low) / 2 ** 30;
      const even = bits % 2 === 0 ? bits : bits + 1;
      return (
        halfBits(dtype, middle) !== even ||
        halfBits(dtype, middle - step) !== bits ||
        halfBits(dtype, middle + step) !== bits + 1
      );
    });
    expect(wrong).toEqual([]);
  });

  it('mirrors negative numbers and keeps the sign of zero', () => {
    expect(finite.filter((bits) => halfBits(dtype, -halfValue(dtype, bits)) !== (bits | 0x8000))).toEqual([]);
  });

  it('overflows to an infinity from the middle above the largest number on', () => {
    const largest = halfValue(dtype, infinity - 1);
    const halfStep = (largest - halfValue(dtype, infinity - 2)) / 2;
    expect(halfBits(dtype, largest + halfStep)).toBe(infinity);
    expect(halfBits(dtype, -Number.MAX_VALUE)).toBe(0x8000 | infinity);
    expect(halfBits(dtype, Infinity)).toBe(infinity);
    expect(isHalfFinite(dtype, infinity - 1)).toBe(true);
    expect(isHalfFinite(dtype, infinity)).toBe(false);
  });

  it('makes one quiet NaN, and reads every NaN', () => {
    expect(isHalfFinite(dtype, halfBits(dtype, NaN))).toBe(false);
    expect(halfValue(dtype, halfBits(dtype, NaN))).toBeNaN();
    expect(halfValue(dtype, 0xffff)).toBeNaN();
  });
});

it('rounds FP16 as the engine does', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.double(), fc.double({ min: -70_000, max: 70_000 }), fc.double({ min: -1e-4, max: 1e-4 })),
      (value) => {
        expect(halfValue('FP16', halfBits('FP16', value))).toBe(f16round(value));
      },
    ),
    { numRuns: 2000 },
  );
});
