import { CrashBreaker, RespawnDelay } from './crash-policy';
import { EXECUTOR_TIMINGS } from './executor-options';

describe(RespawnDelay.name, () => {
  it('replaces at once, then waits longer and longer, at most ten seconds', () => {
    const delay = new RespawnDelay(EXECUTOR_TIMINGS);
    const delays = Array.from({ length: 10 }, () => delay.next(100));
    expect(delays).toEqual([0, 250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
  });

  it('starts again from nothing after a process that lived for a minute', () => {
    const delay = new RespawnDelay(EXECUTOR_TIMINGS);
    delay.next(100);
    delay.next(100);
    expect([delay.next(60_000), delay.next(100)]).toEqual([0, 250]);
  });
});

describe(CrashBreaker.name, () => {
  const breaker = (): CrashBreaker => new CrashBreaker(EXECUTOR_TIMINGS);

  it('opens at the third death within a minute', () => {
    const one = breaker();
    expect([0, 20_000, 59_999].map((at) => one.died('m', at))).toEqual([false, false, true]);
    expect(one.isOpen('m')).toBe(true);
    expect(one.pausedForMs('m', 59_999)).toBe(1000);
  });

  it('stays closed when the deaths are further apart', () => {
    const one = breaker();
    expect([0, 30_000, 60_000, 90_000].map((at) => one.died('m', at))).toEqual([false, false, false, false]);
  });

  it('counts each version for itself', () => {
    const one = breaker();
    for (const key of ['a', 'b', 'a', 'b']) one.died(key, 0);
    expect([one.isOpen('a'), one.isOpen('b'), one.isOpen('c')]).toEqual([false, false, false]);
    expect(one.died('a', 1)).toBe(true);
    expect(one.isOpen('b')).toBe(false);
  });

  it('stays open after the pause, until a trial was passed', () => {
    const one = breaker();
    for (let at = 0; at < 3; at += 1) one.died('m', at);
    expect(one.pausedForMs('m', 2000)).toBe(0);
    expect(one.isOpen('m')).toBe(true);
    one.passed('m');
    expect(one.isOpen('m')).toBe(false);
  });

  it('pauses twice as long each time, at most a minute', () => {
    const one = breaker();
    const pauses = Array.from({ length: 8 }, () => {
      for (let at = 0; at < 3; at += 1) one.died('m', 0);
      const pause = one.pausedForMs('m', 0);
      one.passed('m');
      return pause;
    });
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });
});
