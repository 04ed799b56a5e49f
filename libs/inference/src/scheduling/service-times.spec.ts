import * as fc from 'fast-check';
import { DrainRate, ServiceTimes, expectedMs, rowsWithin } from './service-times';

describe(ServiceTimes.name, () => {
  const after = (batches: readonly (readonly [rows: number, ms: number])[]): ReturnType<ServiceTimes['estimate']> => {
    const times = new ServiceTimes();
    for (const [rows, ms] of batches) times.observe(rows, ms);
    return times.estimate();
  };

  it('has no estimate before five batches', () => {
    expect(after([1, 2, 3, 4].map((rows) => [rows, rows]))).toBeUndefined();
  });

  it('finds the time of a row and of a batch', () => {
    const estimate = after([1, 2, 3, 4, 5, 6].map((rows) => [rows, 2 * rows + 7]));
    expect(estimate?.perRowMs).toBeCloseTo(2);
    expect(estimate?.perBatchMs).toBeCloseTo(7);
  });

  it('gives all to the rows where every batch has as many', () => {
    expect(after(new Array(5).fill([4, 8]))).toEqual({ perRowMs: 2, perBatchMs: 0 });
  });

  it('forgets all but the last fifty', () => {
    const old = new Array(50).fill([4, 400]);
    expect(after([...old, ...new Array(50).fill([4, 8])])).toEqual({ perRowMs: 2, perBatchMs: 0 });
  });

  it('is never negative, whatever was seen', () => {
    const batch = fc.tuple(fc.integer({ min: 1, max: 64 }), fc.double({ min: 0.01, max: 1e4, noNaN: true }));
    fc.assert(
      fc.property(fc.array(batch, { minLength: 5, maxLength: 80 }), (batches) => {
        const { perRowMs, perBatchMs } = after(batches)!;
        expect(perRowMs).toBeGreaterThanOrEqual(0);
        expect(perBatchMs).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe(rowsWithin.name, () => {
  const line = { perRowMs: 3, perBatchMs: 10 };

  it.each([
    ['as many as the time is enough for', line, 200, 63],
    ['none where it is not enough for the batch itself', line, 9, 0],
    ['all where rows cost nothing', { perRowMs: 0, perBatchMs: 50 }, 1, Infinity],
    ['all before anything is known', undefined, 1, Infinity],
  ])('gives %s', (_, known, ms, rows) => {
    expect(rowsWithin(known, ms)).toBe(rows);
  });

  it('gives a batch that takes no longer, and one row more would', () => {
    const part = fc.double({ min: 0.01, max: 100, noNaN: true });
    fc.assert(
      fc.property(part, part, fc.double({ min: 100, max: 1000, noNaN: true }), (perRowMs, perBatchMs, ms) => {
        const rows = rowsWithin({ perRowMs, perBatchMs }, ms);
        expect(expectedMs({ perRowMs, perBatchMs }, rows)).toBeLessThanOrEqual(ms + 1e-6);
        expect(expectedMs({ perRowMs, perBatchMs }, rows + 1)).toBeGreaterThan(ms - 1e-6);
      }),
    );
  });
});

describe(DrainRate.name, () => {
  it('counts only the time while rows waited', () => {
    const rate = new DrainRate();
    let nowMs = 0;
    rate.batchEnded(4, true, nowMs);
    for (let at = 0; at < 4; at += 1) rate.batchEnded(4, true, (nowMs += 2));
    expect(rate.rowsPerMs).toBeUndefined();
    rate.batchEnded(4, false, (nowMs += 2));
    expect(rate.rowsPerMs).toBeCloseTo(2);
    rate.batchEnded(1, false, nowMs + 10_000);
    expect(rate.rowsPerMs).toBeCloseTo(2);
  });

  it('does not count the time after all that waited has left', () => {
    const rate = new DrainRate();
    let nowMs = 0;
    for (let at = 0; at < 9; at += 1) rate.batchEnded(4, true, (nowMs += 2));
    rate.waitEnded();
    rate.batchEnded(1, true, (nowMs += 60_000));
    expect(rate.rowsPerMs).toBeCloseTo(2);
    rate.batchEnded(4, true, nowMs + 2);
    expect(rate.rowsPerMs).toBeCloseTo(2);
  });
});
