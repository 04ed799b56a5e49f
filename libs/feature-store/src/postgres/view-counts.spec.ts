import type { Queryable } from '@app/database';
import { ManualClock } from '@app/testing';
import { ViewCounts } from './view-counts';

/** Answers counts with how many it has answered, after as long as it is told. */
function counting(tookMs: number) {
  const clock = new ManualClock();
  let counted = 0;
  const queryable = {
    query: (_sql: string, [view]: readonly unknown[]) =>
      new Promise((resolve) => {
        counted += 1;
        const rows = [{ view, rows: BigInt(counted), newest: null }];
        clock.setTimer(tookMs, () => resolve({ rows, rowCount: 1 }));
      }),
  } as unknown as Queryable;
  return { clock, counts: new ViewCounts(queryable, clock) };
}

describe(ViewCounts.name, () => {
  it('counts once for all who ask at the same time', async () => {
    const { clock, counts } = counting(50);
    const asked = Promise.all([counts.of('people'), counts.of('people')]);
    await clock.advance(50);
    expect(await asked).toEqual([[{ view: 'people', rows: 1 }], [{ view: 'people', rows: 1 }]]);
  });

  it.each([
    [100, 0, 2],
    [200, 3999, 1],
    [200, 4000, 2],
  ])('tells what took %d ms again, or not, %d ms later', async (tookMs, laterMs, rows) => {
    const { clock, counts } = counting(tookMs);
    const first = counts.of('people');
    await clock.advance(tookMs);
    expect(await first).toEqual([{ view: 'people', rows: 1 }]);
    await clock.advance(laterMs);
    const second = counts.of('people');
    await clock.advance(tookMs);
    expect(await second).toEqual([{ view: 'people', rows }]);
  });

  it('counts anew after a count that failed quickly', async () => {
    let fails = true;
    const query = () => (fails ? Promise.reject(new Error('away')) : Promise.resolve({ rows: [], rowCount: 0 }));
    const counts = new ViewCounts({ query }, new ManualClock());
    await expect(counts.of('people')).rejects.toThrow('away');
    fails = false;
    expect(await counts.of('people')).toEqual([]);
  });
});
