import fc from 'fast-check';
import { rowsPerChunk } from './chunk-size';

describe(rowsPerChunk, () => {
  it('fills the time, within 64 and 10,000 rows', () => {
    const rate = fc.double({ min: 0, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(rate, fc.integer({ min: 1, max: 3600 }), (rowsPerSecond, seconds) => {
        const rows = rowsPerChunk(rowsPerSecond, seconds);
        expect(Number.isInteger(rows)).toBe(true);
        const bounded = Math.min(10_000, Math.max(64, rowsPerSecond * seconds));
        expect(Math.abs(rows - bounded)).toBeLessThanOrEqual(0.5);
      }),
    );
  });

  it('is 1,000 rows of a model that nobody knows', () => {
    expect(rowsPerChunk(undefined, 10)).toBe(1000);
  });
});
