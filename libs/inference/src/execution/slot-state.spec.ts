import { SlotState, moveSlot } from './slot-state';

const ALLOWED = [
  ['starting', 'idle'],
  ['idle', 'busy'],
  ['idle', 'loading'],
  ['busy', 'idle'],
  ['loading', 'idle'],
  ['starting', 'draining'],
  ['idle', 'draining'],
  ['busy', 'draining'],
  ['loading', 'draining'],
  ['starting', 'dead'],
  ['idle', 'dead'],
  ['busy', 'dead'],
  ['loading', 'dead'],
  ['draining', 'dead'],
];
const STATES = Object.values(SlotState);

describe('moveSlot', () => {
  const allowed = new Set(ALLOWED.map(String));
  const pairs = STATES.flatMap((from) => STATES.map((to) => [from, to] as const));

  it.each(pairs.filter((pair) => allowed.has(String(pair))))('goes from %s to %s', (from, to) => {
    expect(moveSlot(from, to)).toBe(to);
  });

  it.each(pairs.filter((pair) => !allowed.has(String(pair))))('throws rather than go from %s to %s', (from, to) => {
    expect(() => moveSlot(from, to)).toThrow(`cannot go from ${from} to ${to}`);
  });
});
