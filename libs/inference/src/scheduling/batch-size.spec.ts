import * as fc from 'fast-check';
import {
  BULK_TARGET_MS,
  bulkRows,
  type DoneBatch,
  LARGEST_CAP,
  type SizeRate,
  nextCap,
  nextRate,
  sizeClass,
  worthwhileRows,
} from './batch-size';
import { BatchSizer } from './batch-sizer';

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
    rowsPerMs.map((rate) => rate && { rows: rate, ms: 1, batches: 9, last: 100 }) as (SizeRate | undefined)[];

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
    expect(worthwhileRows([{ rows: 9, ms: 1, batches: 4, last: 100 }], 100)).toBe(Infinity);
  });
});

describe(nextRate.name, () => {
  const done: DoneBatch = { rows: 4, full: true, serviceMs: 2 };

  it('averages batches, the newest most, and begins anew where the last one is long ago', () => {
    const first = nextRate(undefined, done, 1);
    expect(first).toEqual({ rows: 4, ms: 2, batches: 1, last: 1 });
    const second = nextRate(first, { ...done, serviceMs: 1 }, 2);
    expect(second).toEqual({ rows: 4, ms: 1.5, batches: 2, last: 2 });
    expect(nextRate(second, done, 500)).toEqual({ rows: 4, ms: 2, batches: 1, last: 500 });
  });
});

describe(bulkRows.name, () => {
  it.each([
    ['few before it is known how long they take', undefined, 4],
    ['as many as end in 200 ms', { perRowMs: 3, perBatchMs: 20 }, 60],
    ['one, however long it takes', { perRowMs: 300, perBatchMs: 20 }, 1],
    ['all where rows cost nothing', { perRowMs: 0, perBatchMs: 20 }, Infinity],
  ])('is %s', (_, line, rows) => {
    expect(bulkRows(line)).toBe(rows);
  });

  it('never lets a batch of more than a row be expected to last longer than 200 ms', () => {
    const part = fc.double({ min: 0, max: 1000, noNaN: true });
    fc.assert(
      fc.property(part, part, (perRowMs, perBatchMs) => {
        const rows = bulkRows({ perRowMs, perBatchMs });
        if (rows > 1 && rows < Infinity)
          expect(perRowMs * rows + perBatchMs).toBeLessThanOrEqual(BULK_TARGET_MS + 1e-6);
      }),
    );
  });
});

describe(BatchSizer.name, () => {
  /** Batches of a model under so much work that each is full. */
  const settled = (serviceMs: (rows: number) => number, batches = 2000): readonly number[] => {
    const sizer = new BatchSizer();
    return Array.from({ length: batches }, () => {
      const rows = sizer.cap('auto', 'online');
      sizer.learn({ rows, full: true, serviceMs: serviceMs(rows) });
      return rows;
    });
  };
  const shareOf = (sizes: readonly number[], fits: (rows: number) => boolean): number =>
    sizes.filter(fits).length / sizes.length;
  /** Between 0.5 and 1.5, as texts of one bucket differ in length; the same in each run. */
  const uneven = (): (() => number) => {
    let at = 0;
    return () => 0.5 + ((at += 0.6180339887) % 1);
  };
  const lengthOf = (rows: number, next: () => number): number =>
    Array.from({ length: rows }, next).reduce((sum, length) => sum + length, 0);

  it('runs rows singly where a batch gains nothing, and seldom tries more', () => {
    const next = uneven();
    const sizes = settled((rows) => 7 * lengthOf(rows, next) * (1 + 0.03 * Math.log2(rows)));
    expect(shareOf(sizes, (rows) => rows === 1)).toBeGreaterThan(0.8);
  });

  it('finds the size that gains most, and goes no further', () => {
    const next = uneven();
    const rates = [1, 1.2, 1.43, 1.0, 0.7, 0.6, 0.5];
    const sizes = settled((rows) => lengthOf(rows, next) / (3.5 * rates[sizeClass(rows)]));
    expect(shareOf(sizes, (rows) => rows >= 4 && rows <= 7)).toBeGreaterThan(0.8);
  });

  it('keeps a batch of bulk work short, whatever the manifest allows', () => {
    const sizer = new BatchSizer();
    expect(sizer.cap(1024, 'bulk')).toBe(4);
    for (let at = 0; at < 9; at += 1) sizer.learn({ rows: 4, full: true, serviceMs: 40 });
    expect(sizer.cap(1024, 'bulk')).toBe(20);
    expect(sizer.cap(1024, 'online')).toBe(1024);
  });
});

describe(sizeClass.name, () => {
  it('puts sizes that differ by less than half together', () => {
    expect([1, 2, 3, 4, 7, 8, 64].map(sizeClass)).toEqual([0, 1, 1, 2, 2, 3, 6]);
  });
});
