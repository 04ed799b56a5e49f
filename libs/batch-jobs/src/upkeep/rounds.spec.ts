import { ManualClock } from '@app/testing';
import { Rounds } from './rounds';

describe(Rounds.name, () => {
  const build = () => {
    const clock = new ManualClock();
    const round = { begun: 0, end: Promise.withResolvers<void>() };
    const work = (): Promise<void> => {
      round.begun += 1;
      round.end = Promise.withResolvers();
      return round.end.promise;
    };
    return { clock, round, rounds: new Rounds({ clock, restMs: () => 100 * round.begun, work }) };
  };

  it('begins at once, and again when it has rested after the end of a round', async () => {
    const { clock, round, rounds } = build();
    rounds.start();
    await clock.advance(10_000);
    expect(round.begun).toBe(1);
    round.end.resolve();
    await clock.advance(99);
    expect(round.begun).toBe(1);
    await clock.advance(1);
    expect(round.begun).toBe(2);
    round.end.resolve();
    await clock.advance(199);
    expect(round.begun).toBe(2);
    await clock.advance(1);
    expect(round.begun).toBe(3);
  });

  it('ends with the round that is under way', async () => {
    const { clock, round, rounds } = build();
    rounds.start();
    let isClosed = false;
    const closed = rounds.close().then(() => (isClosed = true));
    await clock.advance(0);
    expect(isClosed).toBe(false);
    round.end.resolve();
    await closed;
    await clock.advance(10_000);
    expect([round.begun, clock.pending]).toEqual([1, 0]);
  });

  it('begins nothing once it is closed, be it before it was started', async () => {
    const { clock, round, rounds } = build();
    await rounds.close();
    rounds.start();
    await clock.advance(10_000);
    expect(round.begun).toBe(0);
  });
});
