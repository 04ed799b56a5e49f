import { ManualClock } from '@app/testing';
import { IdleWatch } from './idle-watch';

function build() {
  const clock = new ManualClock();
  const moves: string[] = [];
  const state = { isBusy: false };
  const watch = new IdleWatch({
    ...{ clock, idleMs: 1000, isBusy: () => state.isBusy },
    ...{ wake: () => void moves.push('wake'), sleep: () => void moves.push('sleep') },
  });
  return { clock, moves, state, watch };
}

describe(IdleWatch.name, () => {
  it('wakes with the first use, and sleeps when the last one is long enough ago', async () => {
    const { clock, moves, watch } = build();
    watch.use();
    await clock.advance(900);
    watch.use();
    await clock.advance(999);
    expect(moves).toEqual(['wake']);
    await clock.advance(1);
    expect(moves).toEqual(['wake', 'sleep']);
    watch.use();
    expect(moves).toEqual(['wake', 'sleep', 'wake']);
  });

  it('does not sleep while what began long ago goes on, nor soon after', async () => {
    const { clock, moves, state, watch } = build();
    watch.use();
    state.isBusy = true;
    await clock.advance(5000);
    state.isBusy = false;
    await clock.advance(999);
    expect(moves).toEqual(['wake']);
    await clock.advance(1);
    expect(moves).toEqual(['wake', 'sleep']);
  });

  it('moves no more once it is closed', async () => {
    const { clock, moves, watch } = build();
    watch.use();
    watch.close();
    await clock.advance(5000);
    watch.use();
    expect(moves).toEqual(['wake']);
  });
});
