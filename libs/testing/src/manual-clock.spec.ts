import { ManualClock } from './manual-clock';

describe(ManualClock.name, () => {
  it('stands still until it is moved', async () => {
    const clock = new ManualClock();
    const beganAt = clock.epochMs();
    await clock.advance(1500);
    expect(clock.monotonicMs()).toBe(1500);
    expect(clock.epochMs() - beganAt).toBe(1500);
  });

  it('fires timers in order of time, then of setting, and never twice', async () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    clock.setTimer(20, () => fired.push('late'));
    clock.setTimer(10, () => fired.push('first'));
    clock.setTimer(10, () => fired.push('second'));
    await clock.advance(9);
    expect(fired).toEqual([]);
    await clock.advance(11);
    await clock.advance(100);
    expect(fired).toEqual(['first', 'second', 'late']);
  });

  it('shows each callback the time at which it was due', async () => {
    const clock = new ManualClock();
    const seen: number[] = [];
    for (const delay of [30, 5]) clock.setTimer(delay, () => seen.push(clock.monotonicMs()));
    await clock.advance(50);
    expect(seen).toEqual([5, 30]);
  });

  it('fires what a callback, or a promise that it settled, sets on the way', async () => {
    const clock = new ManualClock();
    const wait = (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve));
    const loop = (async () => {
      for (let turn = 0; turn < 3; turn += 1) await wait(10);
      return clock.monotonicMs();
    })();
    await clock.advance(30);
    await expect(loop).resolves.toBe(30);
    expect(clock.pending).toBe(0);
  });

  it('never fires a timer that was cancelled', async () => {
    const clock = new ManualClock();
    const callback = jest.fn();
    clock.setTimer(1, callback).cancel();
    await clock.advance(5);
    expect(callback).not.toHaveBeenCalled();
  });

  it('lets dates jump while durations go on', () => {
    const clock = new ManualClock();
    const before = clock.epochMs();
    clock.jumpEpoch(-3_600_000);
    expect(clock.epochMs()).toBe(before - 3_600_000);
    expect(clock.monotonicMs()).toBe(0);
  });
});
