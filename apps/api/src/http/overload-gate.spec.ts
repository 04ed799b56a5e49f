import { ManualClock } from '@app/testing';
import { type GateTick, OverloadGate, nextOpen } from './overload-gate';

describe(nextOpen.name, () => {
  const tick: GateTick = { ended: 100, overloaded: 60, lateMs: 20 };
  it.each<[string, number, GateTick, number]>([
    ['closes while refusing takes the time of the process', 1, tick, 0.7],
    ['never closes for good', 0.02, tick, 0.02],
    ['stays where the process has time to refuse', 1, { ...tick, lateMs: 5 }, 1],
    ['stays where few are refused', 1, { ended: 3, overloaded: 3, lateMs: 20 }, 1],
    ['stays while some are refused', 0.5, { ...tick, overloaded: 20 }, 0.5],
    ['opens when hardly any is refused', 0.5, { ...tick, overloaded: 9 }, 0.55],
    ['opens when nothing comes', 0.5, { ended: 0, overloaded: 0, lateMs: 0 }, 0.55],
    ['opens no further than all', 1, { ended: 0, overloaded: 0, lateMs: 0 }, 1],
  ])('%s', (_, open, seen, next) => {
    expect(nextOpen(open, seen)).toBeCloseTo(next);
  });
});

describe(OverloadGate.name, () => {
  /** A clock whose timers come late, as they do in a process that has too much to do. */
  class LateClock extends ManualClock {
    override monotonicMs(): number {
      return super.monotonicMs() * 2;
    }
  }
  const passed = (gate: OverloadGate, path: string): number =>
    Array.from({ length: 100 }, () => gate.admits(path)).filter(Boolean).length;
  const overload = async (gate: OverloadGate, clock: ManualClock): Promise<void> => {
    for (let at = 0; at < 100; at += 1) gate.ended('/embed', true);
    await clock.advance(25);
  };

  it('lets all in where nothing is refused, and measures nothing', () => {
    const clock = new LateClock();
    const gate = new OverloadGate(clock);
    for (let at = 0; at < 100; at += 1) gate.ended('/embed', false);
    expect(passed(gate, '/embed')).toBe(100);
    expect(clock.pending).toBe(0);
  });

  it('lets fewer and fewer in for a path whose requests are refused, and all for others', async () => {
    const clock = new LateClock();
    const gate = new OverloadGate(clock);
    await overload(gate, clock);
    expect(passed(gate, '/embed')).toBeLessThanOrEqual(70);
    for (let at = 0; at < 20; at += 1) await overload(gate, clock);
    expect(passed(gate, '/embed')).toBeLessThanOrEqual(3);
    expect(passed(gate, '/embed')).toBeGreaterThan(0);
    expect(passed(gate, '/predict')).toBe(100);
  });

  it('lets all in while the process comes to its timers in time', async () => {
    const clock = new ManualClock();
    const gate = new OverloadGate(clock);
    for (let at = 0; at < 20; at += 1) await overload(gate, clock);
    expect(passed(gate, '/embed')).toBe(100);
  });

  it('is open again within two seconds after the last refusal, and then measures nothing', async () => {
    const clock = new LateClock();
    const gate = new OverloadGate(clock);
    for (let at = 0; at < 20; at += 1) await overload(gate, clock);
    await clock.advance(2000);
    expect(passed(gate, '/embed')).toBe(100);
    expect(clock.pending).toBe(0);
  });
});
