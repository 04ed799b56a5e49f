import { ManualClock } from '@app/testing';
import { ReadGate } from './read-gate';

describe(ReadGate.name, () => {
  it('lets 64 reads in, and the next one when one has left', () => {
    const gate = new ReadGate(new ManualClock());
    const entered = Array.from({ length: 65 }, () => gate.enter());
    expect(entered.filter(Boolean)).toHaveLength(64);
    gate.leave();
    expect(gate.enter()).toBe(true);
    expect(gate.enter()).toBe(false);
  });

  it('pauses for a second after five timeouts in a row', async () => {
    const clock = new ManualClock();
    const gate = new ReadGate(clock);
    const timeOut = (): boolean => {
      const entered = gate.enter();
      if (entered) {
        gate.timeOut();
        gate.leave();
      }
      return entered;
    };
    expect([1, 2, 3, 4, 5, 6].map(timeOut)).toEqual([true, true, true, true, true, false]);
    await clock.advance(999);
    expect(gate.enter()).toBe(false);
    await clock.advance(1);
    expect([1, 2].map(timeOut)).toEqual([true, false]);
  });

  it('begins to count anew with each read that is answered', () => {
    const gate = new ReadGate(new ManualClock());
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 4; at++) gate.timeOut();
      gate.succeed();
    }
    expect(gate.enter()).toBe(true);
  });
});
