import { aModelVersion } from '@app/testing';
import { VERSION_STATES, type VersionState } from './model-registry';
import { VersionEntry, type VersionMove } from './version-entry';

const ARROWS = [
  'known probing',
  'known failed',
  'probing loading',
  'probing warming',
  'probing ready',
  'probing failed',
  'probing known',
  'loading probing',
  'loading warming',
  'loading ready',
  'loading failed',
  'loading known',
  'warming probing',
  'warming loading',
  'warming ready',
  'warming failed',
  'warming known',
  'ready draining',
  'ready known',
  'ready failed',
  'draining known',
  'failed known',
];
const WAYS: Readonly<Record<VersionState, readonly VersionState[]>> = {
  known: [],
  probing: ['probing'],
  loading: ['probing', 'loading'],
  warming: ['probing', 'warming'],
  ready: ['probing', 'ready'],
  draining: ['probing', 'ready', 'draining'],
  failed: ['failed'],
};
const PAIRS = VERSION_STATES.flatMap((from) => VERSION_STATES.map((to) => ({ from, to })));

function entryIn(state: VersionState, moves: VersionMove[] = []): VersionEntry {
  const details = aModelVersion({ model: 'a' });
  const entry = new VersionEntry('a', { version: '1', createdAtMs: 0, details }, (move) => moves.push(move));
  for (const step of WAYS[state]) entry.move(step);
  return entry;
}

describe(VersionEntry.name, () => {
  it.each(PAIRS.filter(({ from, to }) => ARROWS.includes(`${from} ${to}`)))(
    'goes from $from to $to',
    ({ from, to }) => {
      const moves: VersionMove[] = [];
      const entry = entryIn(from, moves);
      entry.move(to, { reason: 'because' });
      expect(entry.state).toBe(to);
      expect(moves.at(-1)).toMatchObject({ model: 'a', version: '1', from, to, reason: 'because' });
    },
  );

  it.each(PAIRS.filter(({ from, to }) => !ARROWS.includes(`${from} ${to}`)))(
    'does not go from $from to $to',
    ({ from, to }) => {
      const entry = entryIn(from);
      expect(() => entry.move(to)).toThrow(`a@1 cannot go from ${from} to ${to}`);
      expect(entry.state).toBe(from);
    },
  );

  it('is failed from the start when its files cannot be read', () => {
    const entry = new VersionEntry('a', { version: '1', createdAtMs: 0, reason: 'Bad.' }, () => undefined);
    expect(entry).toMatchObject({ state: 'failed', reason: 'Bad.', details: undefined });
  });

  it('remembers that it worked while it is evicted, and not once it failed or drained', () => {
    const provenAfter = (...moves: readonly VersionState[]): boolean => {
      const entry = entryIn('ready');
      for (const to of moves) entry.move(to);
      return entry.proven;
    };
    expect([provenAfter('known'), provenAfter('failed'), provenAfter('draining', 'known')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
