import { DTYPES, type Tensor, tensorOf, viewOf } from '@app/core';
import * as fc from 'fast-check';
import { decodeOutput, encodeOutput } from './result-codec';

const tensor: fc.Arbitrary<Tensor> = fc.record({
  dtype: fc.constantFrom(...DTYPES),
  shape: fc.array(fc.nat(5), { maxLength: 4 }),
  bytes: fc.uint8Array({ maxLength: 40 }),
});
const output = fc.dictionary(fc.string({ maxLength: 12 }), tensor, { maxKeys: 4 });

describe(encodeOutput.name, () => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(output, (given) => {
        expect({ ...decodeOutput(encodeOutput(given)) }).toEqual({ ...given });
      }),
    );
  });

  it('aligns elements, so that they need no copy', () => {
    const given = { odd: tensorOf('UINT8', [3], [1, 2, 3]), y: tensorOf('FP64', [2], [1, 2]) };
    const y = decodeOutput(encodeOutput(given))!['y'];
    expect(viewOf(y).buffer).toBe(y.bytes.buffer);
  });

  it('keeps no larger buffer alive', () => {
    const frame = new Uint8Array(1_000_000);
    const row = { y: { dtype: 'FP32' as const, shape: [1], bytes: frame.subarray(8, 12) } };
    expect(encodeOutput(row).buffer.byteLength).toBeLessThan(100);
  });
});

describe(decodeOutput.name, () => {
  it('gives undefined for bytes that are cut, longer, damaged or of another layout', () => {
    const bytes = encodeOutput({ y: tensorOf('FP64', [2], [1, 2]), text: tensorOf('BYTES', [1], ['a']) });
    for (let end = 0; end < bytes.length; end++) expect(decodeOutput(bytes.slice(0, end))).toBeUndefined();
    expect(decodeOutput(Uint8Array.from([...bytes, 0]))).toBeUndefined();
    const another = bytes.slice();
    another[0] = 2;
    expect(decodeOutput(another)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(() => decodeOutput(noise)).not.toThrow();
      }),
    );
  });
});
