import { Clock, SystemClock } from '@app/core';
import { ManualClock } from '@app/testing';

/** A clock, and how a test waits on it until timers of a few milliseconds are due. */
interface ClockBench {
  readonly clock: Clock;
  /** Resolves once every timer of up to `ms` has fired. */
  pass(ms: number): Promise<void>;
}

function manual(): ClockBench {
  const clock = new ManualClock();
  return { clock, pass: (ms) => clock.advance(ms) };
}

function system(): ClockBench {
  const clock = new SystemClock();
  // A timer of ours that is due later fires later. The clock's own do not keep a process alive, but Jest's waits do.
  return { clock, pass: (ms) => new Promise((resolve) => void clock.setTimer(ms + 1, resolve)) };
}

describe.each([
  [ManualClock.name, manual],
  [SystemClock.name, system],
] as const)(`%s as a ${Clock.name}`, (_name, open) => {
  it('never goes back, also in a timer', async () => {
    const { clock, pass } = open();
    const seen = [clock.monotonicMs()];
    clock.setTimer(2, () => seen.push(clock.monotonicMs()));
    await pass(5);
    seen.push(clock.monotonicMs());
    expect(seen).toHaveLength(3);
    expect(seen).toEqual(seen.toSorted((left, right) => left - right));
  });

  it('tells dates of this century, in milliseconds', () => {
    const year = new Date(open().clock.epochMs()).getUTCFullYear();
    expect(year).toBeGreaterThanOrEqual(2025);
    expect(year).toBeLessThan(2100);
  });

  it('fires timers once, in the order in which they are due, and never before setTimer has returned', async () => {
    const { clock, pass } = open();
    const fired: string[] = [];
    clock.setTimer(8, () => fired.push('late'));
    clock.setTimer(0, () => fired.push('at once'));
    expect(fired).toEqual([]);
    await pass(8);
    await pass(8);
    expect(fired).toEqual(['at once', 'late']);
  });

  it('never fires a timer that was cancelled, and lets one be cancelled that fired', async () => {
    const { clock, pass } = open();
    const callback = jest.fn();
    clock.setTimer(1, callback).cancel();
    const other = clock.setTimer(1, callback);
    await pass(1);
    other.cancel();
    await pass(1);
    expect(callback).toHaveBeenCalledTimes(1);
  });
});
