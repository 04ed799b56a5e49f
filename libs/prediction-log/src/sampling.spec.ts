import { isSampled } from './sampling';

describe(isSampled.name, () => {
  const keys = Array.from({ length: 2000 }, (_, each) => `key ${each}`);

  it('takes about the share that is asked for, and always the same', () => {
    const taken = keys.filter((key) => isSampled(key, 0.25));
    expect(taken.length).toBeGreaterThan(400);
    expect(taken.length).toBeLessThan(600);
    expect(keys.filter((key) => isSampled(key, 0.25))).toEqual(taken);
  });

  it('takes all of a smaller sample into a larger one, all of them at 1 and none at 0', () => {
    expect(keys.filter((key) => isSampled(key, 0.1)).every((key) => isSampled(key, 0.5))).toBe(true);
    expect([isSampled('a', 1), isSampled('a', 0)]).toEqual([true, false]);
  });
});
