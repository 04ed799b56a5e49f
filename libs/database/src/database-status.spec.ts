import { type DatabaseStatus, moveDatabase } from './database-status';

const STATES = ['starting', 'up', 'down', 'off'] as const satisfies readonly DatabaseStatus[];

describe('moveDatabase', () => {
  const allowed = new Set(['starting,up', 'up,down', 'down,up']);
  const pairs = STATES.flatMap((from) => STATES.map((to) => [from, to] as const));

  it.each(pairs.filter((pair) => allowed.has(String(pair))))('goes from %s to %s', (from, to) => {
    expect(moveDatabase(from, to)).toBe(to);
  });

  it.each(pairs.filter((pair) => !allowed.has(String(pair))))('throws rather than go from %s to %s', (from, to) => {
    expect(() => moveDatabase(from, to)).toThrow(`cannot go from ${from} to ${to}`);
  });
});
