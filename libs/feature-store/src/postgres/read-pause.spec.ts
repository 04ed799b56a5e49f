import { ManualClock } from '@app/testing';
import { ReadPause } from './read-pause';

describe(ReadPause.name, () => {
  it('lasts a second after three failures in a row, and after each failure that follows a pause', async () => {
    const clock = new ManualClock();
    const pause = new ReadPause(clock);
    const afterFailure = (): boolean => {
      pause.fail();
      return pause.isOn;
    };
    expect([1, 2, 3].map(afterFailure)).toEqual([false, false, true]);
    await clock.advance(999);
    expect(pause.isOn).toBe(true);
    await clock.advance(1);
    expect(pause.isOn).toBe(false);
    expect(afterFailure()).toBe(true);
  });

  it('begins to count anew with each statement that is answered', () => {
    const pause = new ReadPause(new ManualClock());
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 2; at++) pause.fail();
      pause.succeed();
    }
    expect(pause.isOn).toBe(false);
  });
});
