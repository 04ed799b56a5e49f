import type { Dtype } from './dtypes';
import { type TensorValues, elementCount, elementsOf, tensorOf, textsOf, viewOf } from './tensor';

const hexOf = (dtype: Dtype, values: TensorValues): string =>
  Buffer.from(tensorOf(dtype, [values.length], values).bytes).toString('hex');

describe(tensorOf.name, () => {
  it('writes each dtype little-endian', () => {
    expect(hexOf('BOOL', [true, false])).toBe('0100');
    expect(hexOf('INT16', [-2, 258])).toBe('feff0201');
    expect(hexOf('INT64', [-2, 2 ** 40])).toBe('feffffffffffffff0000000000010000');
    expect(hexOf('UINT64', [2n ** 64n - 1n])).toBe('ffffffffffffffff');
    expect(hexOf('FP16', [1, -2])).toBe('003c00c0');
    expect(hexOf('BF16', [1])).toBe('803f');
    expect(hexOf('FP32', [1])).toBe('0000803f');
    expect(hexOf('FP64', [1])).toBe('000000000000f03f');
    expect(hexOf('BYTES', ['é', ''])).toBe('02000000c3a900000000');
    expect(hexOf('BYTES', [Uint8Array.of(255)])).toBe('01000000ff');
  });

  it('uses a typed array of its kind without a copy', () => {
    const whole = Float32Array.of(0, 1, 2);
    const tensor = tensorOf('FP32', [2], whole.subarray(1));
    expect(tensor.bytes.buffer).toBe(whole.buffer);
    expect([...viewOf(tensor, 'FP32')]).toEqual([1, 2]);
  });

  it('takes FP16 as bits and as the engine gives it', () => {
    const { Float16Array } = globalThis as unknown as { Float16Array: { from(values: number[]): NodeJS.TypedArray } };
    expect(hexOf('FP16', Float16Array.from([1, -2]))).toBe('003c00c0');
    expect(hexOf('FP16', Uint16Array.of(0x3c00, 0xc000))).toBe('003c00c0');
  });

  it('refuses another kind of typed array, and a count that does not fill the shape', () => {
    expect(() => tensorOf('FP32', [1], Float64Array.of(1))).toThrow(TypeError);
    expect(() => tensorOf('BYTES', [1], Uint8Array.of(1))).toThrow(TypeError);
    expect(() => tensorOf('FP32', [2], [1])).toThrow(RangeError);
  });
});

describe(viewOf.name, () => {
  it('copies only when the bytes are not aligned', () => {
    const buffer = new Uint8Array(12);
    buffer.set(tensorOf('FP32', [2], [1.5, -2]).bytes, 1);
    const unaligned = { dtype: 'FP32', shape: [2], bytes: buffer.subarray(1, 9) } as const;
    expect([...viewOf(unaligned)]).toEqual([1.5, -2]);
    expect(viewOf(unaligned).buffer).not.toBe(buffer.buffer);
    const aligned = { ...unaligned, bytes: buffer.subarray(4, 12) };
    expect(viewOf(aligned).buffer).toBe(buffer.buffer);
  });

  it('has no view on text, nor on another dtype than asked for', () => {
    expect(() => viewOf(tensorOf('BYTES', [1], ['a']))).toThrow(TypeError);
    expect(() => viewOf(tensorOf('FP32', [1], [1]), 'FP64')).toThrow(TypeError);
    expect(() => elementsOf(tensorOf('FP32', [1], [1]))).toThrow(TypeError);
  });
});

describe(textsOf.name, () => {
  it('reads UTF-8 as it is, byte order marks and U+0000 too', () => {
    const texts = ['\ufeffa', 'b\0', '', '😀'];
    expect(textsOf(tensorOf('BYTES', [4], texts))).toEqual(texts);
  });

  it('refuses bytes that are not UTF-8, by their place', () => {
    const tensor = tensorOf('BYTES', [2], [Uint8Array.of(0x61), Uint8Array.of(0xc3)]);
    expect(() => textsOf(tensor, 'inputs.text')).toThrow(
      expect.objectContaining({
        code: 'invalid_input',
        details: [expect.objectContaining({ field: 'inputs.text[1]', code: 'invalid_unicode' })],
      }),
    );
  });
});

describe(elementCount.name, () => {
  it('multiplies, and a scalar is one element', () => {
    expect([[], [0, 5], [2, 3, 4], [2 ** 28]].map((shape) => elementCount(shape))).toEqual([1, 0, 24, 2 ** 28]);
  });
});
