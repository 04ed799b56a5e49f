import * as fc from 'fast-check';
import {
  type CallSize,
  type Load,
  ONLINE_IN_A_ROW,
  type QueueView,
  admit,
  composeBatch,
  decideBatch,
  pickQueue,
} from './batch-policy';

const online = { priority: 'online', servedMs: 0, headAtMs: 0 } as const;
const bulk = { ...online, priority: 'bulk' } as const;

describe(pickQueue.name, () => {
  it.each<[string, readonly QueueView[], number, number | undefined]>([
    ['nothing where nothing waits', [], 0, undefined],
    ['online before bulk, though bulk waits longer', [{ ...bulk }, { ...online, headAtMs: 9 }], 0, 1],
    ['bulk when it is due', [online, bulk], ONLINE_IN_A_ROW, 1],
    ['online when bulk is due but none waits', [online], ONLINE_IN_A_ROW, 0],
    [
      'the model that got least time, though another waits longer',
      [
        { ...online, servedMs: 5 },
        { ...online, headAtMs: 9 },
      ],
      0,
      1,
    ],
    [
      'the oldest call where the time is equal',
      [
        { ...online, headAtMs: 2 },
        { ...online, headAtMs: 1 },
      ],
      0,
      1,
    ],
  ])('takes %s', (_, queues, onlineInARow, index) => {
    expect(pickQueue(queues, onlineInARow)).toBe(index === undefined ? undefined : queues[index]);
  });
});

describe(decideBatch.name, () => {
  const waiting = { rows: 2, headAtMs: 100, gapMs: 1 };
  it.each([
    ['at once without a delay', waiting, { cap: 4, delayMs: 0 }, 100, { send: 2 }],
    ['at once when it is full', { ...waiting, rows: 9 }, { cap: 4, delayMs: 10 }, 100, { send: 4 }],
    ['later while others come fast', waiting, { cap: 4, delayMs: 10 }, 105, { waitUntilMs: 110 }],
    ['when its oldest has waited for the delay', waiting, { cap: 4, delayMs: 10 }, 110, { send: 2 }],
    ['at once when others come slowly', { ...waiting, gapMs: 5 }, { cap: 4, delayMs: 10 }, 100, { send: 2 }],
    ['at once before there were two', { ...waiting, gapMs: Infinity }, { cap: 4, delayMs: 10 }, 100, { send: 2 }],
  ])('lets a batch go %s', (_, view, limits, nowMs, decision) => {
    expect(decideBatch(view, limits, nowMs)).toEqual(decision);
  });
});

describe(composeBatch.name, () => {
  const call = (rows: number, rowTokens = 0, splittable = true): CallSize => ({
    rows,
    rowTokens,
    rowBytes: 1,
    splittable,
  });
  const limits = { rows: 8, tokens: 100, bytes: 1000 };
  it.each<[string, readonly CallSize[], readonly number[]]>([
    ['nothing of nothing', [], []],
    ['all that is there', [call(1), call(2), call(3)], [1, 2, 3]],
    ['as many calls as have room', [call(5), call(3), call(1)], [5, 3]],
    ['no part of a call that fits into a batch of its own', [call(5), call(4)], [5]],
    ['a part of one that does not', [call(5), call(20)], [5, 3]],
    ['a part of the first', [call(20), call(1)], [8]],
    ['all of a call that may not be cut, alone', [call(20, 0, false), call(1)], [20]],
    ['no row that would make the others too long', [call(2, 20), call(2, 50)], [2]],
    ['as many long rows as the tokens allow', [call(9, 30)], [3]],
    ['a row that is too long, alone', [call(2, 500), call(1)], [1]],
  ])('takes %s', (_, calls, counts) => {
    expect(composeBatch(calls, limits)).toEqual(counts);
  });

  it('is never empty, and never over its limits but with one row or a call that may not be cut', () => {
    const size = fc.record({
      rows: fc.integer({ min: 1, max: 40 }),
      rowTokens: fc.integer({ min: 1, max: 300 }),
      rowBytes: fc.integer({ min: 1, max: 300 }),
      splittable: fc.boolean(),
    });
    const some = fc.record({
      rows: fc.integer({ min: 1, max: 64 }),
      tokens: fc.integer({ min: 1, max: 2000 }),
      bytes: fc.integer({ min: 1, max: 2000 }),
    });
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 20 }), some, (calls, most) => {
        const counts = composeBatch(calls, most);
        const rows = counts.reduce((sum, count) => sum + count, 0);
        const longest = Math.max(...counts.map((_, at) => calls[at].rowTokens));
        const bytes = counts.reduce((sum, count, at) => sum + count * calls[at].rowBytes, 0);
        expect(counts.every((count, at) => count >= 1 && count <= calls[at].rows)).toBe(true);
        expect(counts.length).toBeGreaterThan(0);
        const isAlone = counts.length === 1 && (rows === 1 || !calls[0].splittable);
        expect(isAlone || (rows <= most.rows && rows * longest <= most.tokens && bytes <= most.bytes)).toBe(true);
      }),
    );
  });
});

describe(admit.name, () => {
  const load: Load = { rowsAhead: 100, rowsPerMs: 0.1, serviceMs: 50 };
  it.each<[string, Load, number, ReturnType<typeof admit>]>([
    ['one that can be answered in time, and a quarter more', load, 1313, 'yes'],
    ['one that nobody stands before, whatever the estimate', { ...load, rowsAhead: 0, serviceMs: 9999 }, 1, 'yes'],
    ['every one before there is an estimate', { ...load, rowsPerMs: undefined }, 1, 'yes'],
  ])('lets %s in', (_, view, leftMs, answer) => {
    expect(admit(view, leftMs)).toBe(answer);
  });

  it('says by how much another is too late, from 1 to 30 seconds', () => {
    expect(admit(load, 1312)).toEqual({ retryAfterMs: 1000 });
    expect(admit({ ...load, rowsAhead: 1000 }, 2562.5)).toEqual({ retryAfterMs: 10_000 });
    expect(admit({ ...load, rowsAhead: 1e6 }, 50)).toEqual({ retryAfterMs: 30_000 });
  });
});
