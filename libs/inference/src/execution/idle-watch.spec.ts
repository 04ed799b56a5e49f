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
  it('wakes with the first use, and sleeps when the last one is long enough ago', () => {
    const { clock, moves, watch } = build();
    watch.use();
    clock.advance(900);
    watch.use();
    clock.advance(999);
    expect(moves).toEqual(['wake']);
    clock.advance(1);
    expect(moves).toEqual(['wake', 'sleep']);
    watch.use();
    expect(moves).toEqual(['wake', 'sleep', 'wake']);
  });

  it('does not sleep while what began long ago goes on, nor soon after', () => {
    const { clock, moves, state, watch } = build();
    watch.use();
    state.isBusy = true;
    clock.advance(5000);
    state.isBusy = false;
    clock.advance(999);
    expect(moves).toEqual(['wake']);
    clock.advance(1);
    expect(moves).toEqual(['wake', 'sleep']);
  });

  it('moves no more once it is closed', () => {
    const { clock, moves, watch } = build();
    watch.use();
    watch.close();
    clock.advance(5000);
    watch.use();
    expect(moves).toEqual(['wake']);
  });
});
