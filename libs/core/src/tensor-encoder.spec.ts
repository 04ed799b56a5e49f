import { tensorOf } from './tensor';
import { encodeJson, encodeNested } from './tensor-encoder';

const written = (value: unknown): string => JSON.stringify(value);

describe(encodeJson.name, () => {
  it('says what a reader must know', () => {
    const big = tensorOf('INT64', [2], [2n ** 53n, 1n]);
    expect(encodeJson(big)).toEqual({ data: ['9007199254740992', '1'], parameters: { int64_encoding: 'string' } });
    expect(encodeJson(big, { int64: 'number' }).parameters).toEqual({});
    expect(encodeJson(tensorOf('INT64', [1], [1]), { int64: 'string' })).toEqual({
      data: ['1'],
      parameters: { int64_encoding: 'string' },
    });
    const specials = tensorOf('FP32', [2], [1, -Infinity]);
    expect(encodeJson(specials)).toEqual({ data: [1, '-Infinity'], parameters: { nonfinite: true } });
    expect(encodeJson(specials, { nonfinite: 'null' })).toEqual({ data: [1, null], parameters: { nonfinite: true } });
    expect(encodeJson(tensorOf('FP32', [2], [1, -0])).parameters).toEqual({});
  });

  it('writes all elements as base64 when one is not UTF-8', () => {
    expect(encodeJson(tensorOf('BYTES', [2], ['hi', 'é'])).parameters).toEqual({});
    expect(encodeJson(tensorOf('BYTES', [2], [Uint8Array.of(0x68, 0x69), Uint8Array.of(0xff)]))).toEqual({
      data: ['aGk=', '/w=='],
      parameters: { content_type: 'base64' },
    });
  });

  it.each(['FP16', 'BF16', 'FP32', 'FP64'] as const)('refuses NaN of %s where it cannot be said', (dtype) => {
    expect(() => encodeJson(tensorOf(dtype, [2], [1, NaN]), { nonfinite: 'error' })).toThrow(
      expect.objectContaining({ code: 'non_finite_output' }),
    );
    expect(encodeJson(tensorOf(dtype, [1], [1]), { nonfinite: 'error' }).data).toEqual([1]);
  });

  it('writes minus zero and exact digits through JSON.stringify', () => {
    expect(written(encodeJson(tensorOf('FP64', [3], [0, -0, 0.1])).data)).toBe('[0,-0,0.1]');
    expect(written(encodeJson(tensorOf('UINT64', [1], [2n ** 64n - 1n]), { int64: 'number' }).data)).toBe(
      '[18446744073709551615]',
    );
  });
});

describe(encodeNested.name, () => {
  it('nests as the shape', () => {
    const values = [1, 2, 3, 4, 5, 6];
    expect(encodeNested(tensorOf('INT32', [], [7]))).toBe(7);
    expect(encodeNested(tensorOf('INT32', [6], values))).toEqual(values);
    expect(encodeNested(tensorOf('INT32', [2, 3], values))).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(encodeNested(tensorOf('INT32', [3, 1, 2], values))).toEqual([[[1, 2]], [[3, 4]], [[5, 6]]]);
  });

  it('keeps the lists around nothing', () => {
    expect([[0], [0, 4], [2, 0], [1, 2, 0]].map((shape) => written(encodeNested(tensorOf('FP32', shape, []))))).toEqual(
      ['[]', '[]', '[[],[]]', '[[[],[]]]'],
    );
  });
});
