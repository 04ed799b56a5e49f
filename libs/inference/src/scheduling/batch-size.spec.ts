import { type DoneBatch, LARGEST_CAP, type SizeRate, nextCap, nextRate, sizeClass, worthwhileRows } from './batch-size';

describe(nextCap.name, () => {
  it.each([
    ['grows by one after a full batch in time', 4, { rows: 4, full: true, serviceMs: 100 }, 5],
    ['stays after one that was not full', 4, { rows: 2, full: false, serviceMs: 1 }, 4],
    ['shrinks by a tenth after one that took too long', 20, { rows: 20, full: true, serviceMs: 101 }, 18],
    ['is never below a row', 1, { rows: 1, full: true, serviceMs: 1e4 }, 1],
    ['is never above its largest', LARGEST_CAP, { rows: 64, full: true, serviceMs: 1 }, LARGEST_CAP],
  ])('%s', (_, cap, done, next) => {
    expect(nextCap(cap, done)).toBeCloseTo(next);
  });

  it('settles where a batch takes the target, for a model whose time grows with its rows', () => {
    let cap = 4;
    for (let at = 0; at < 500; at += 1) {
      const rows = Math.floor(cap);
      cap = nextCap(cap, { rows, full: true, serviceMs: 5 * rows });
    }
    expect(cap).toBeGreaterThan(16);
    expect(cap).toBeLessThanOrEqual(21);
  });
});

describe(worthwhileRows.name, () => {
  /** Rates by class, each seen often enough and just now. */
  const rates = (...rowsPerMs: (number | undefined)[]): (SizeRate | undefined)[] =>
    rowsPerMs.map((rate) => rate && { rowsPerMs: rate, batches: 9, last: 100 }) as (SizeRate | undefined)[];

  it.each([
    ['has no limit before anything is known', rates(), Infinity],
    ['grows while the rate does', rates(1, 2, 3), 15],
    ['stays at the best of three', rates(1, 2, 2), 3],
    ['does not grow for a gain that is no gain', rates(1, 1.04), 1],
    ['goes back when larger ones are slower', rates(3, 2, 1), 1],
    ['tries the smaller neighbour that is unknown', rates(undefined, undefined, 1), 3],
    ['tries the larger neighbour that is unknown', rates(1), 3],
  ])('%s', (_, known, most) => {
    expect(worthwhileRows(known, 100)).toBe(most);
  });

  it('forgets a rate that is old or rests on few batches', () => {
    expect(worthwhileRows(rates(1, 1, 1), 300)).toBe(Infinity);
    expect(worthwhileRows([{ rowsPerMs: 9, batches: 4, last: 100 }], 100)).toBe(Infinity);
  });
});

describe(nextRate.name, () => {
  const done: DoneBatch = { rows: 4, full: true, serviceMs: 2 };

  it('averages batches, the newest most, and begins anew where the last one is long ago', () => {
    const first = nextRate(undefined, done, 1);
    expect(first).toEqual({ rowsPerMs: 2, batches: 1, last: 1 });
    const second = nextRate(first, { ...done, serviceMs: 1 }, 2);
    expect(second).toEqual({ rowsPerMs: 3, batches: 2, last: 2 });
    expect(nextRate(second, done, 500)).toEqual({ rowsPerMs: 2, batches: 1, last: 500 });
  });
});

describe(sizeClass.name, () => {
  it('puts sizes that differ by less than half together', () => {
    expect([1, 2, 3, 4, 7, 8, 64].map(sizeClass)).toEqual([0, 1, 1, 2, 2, 3, 6]);
  });
});
