import fc from 'fast-check';
import { firstOf, meanOf, unitOf } from './pooling';

const VECTORS = { values: [9, 9, 1, 2, 3, 4, 9, 9], start: 2, length: 2, width: 2 };

describe('pooling', () => {
  it('takes the mean, or the first, of the tokens that it is shown', () => {
    expect([...meanOf(VECTORS)]).toEqual([2, 3]);
    expect([...firstOf(VECTORS)]).toEqual([1, 2]);
  });

  it('gives zeros for no tokens', () => {
    expect([...meanOf({ ...VECTORS, length: 0 })]).toEqual([0, 0]);
    expect([...firstOf({ ...VECTORS, length: 0 })]).toEqual([0, 0]);
  });

  it('adds in double precision', () => {
    const values = Float32Array.of(16_777_216, 1, 1);
    expect(meanOf({ values, start: 0, length: 3, width: 1 })[0]).toBe(16_777_218 / 3);
  });

  it('scales any vector but zeros to length 1', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(float, { minLength: 1 }), (values) => {
        const length = Math.hypot(...unitOf(Float64Array.from(values)));
        expect(length).toBeCloseTo(values.every((value) => value === 0) ? 0 : 1, 9);
      }),
    );
  });
});
