/** Where a process stands with its PostgreSQL: `starting → up ⇄ down`, or `off` from beginning to end. */
export type DatabaseStatus =
  /** It was not reached yet, or is being migrated. Ends with the first success. */
  | 'starting'
  /** It is migrated, and answered within the last moments. Ends when an answer does not come. */
  | 'up'
  /** It answered once, and does not now: whatever is asked is refused at once. Ends when it answers, and is migrated, again. */
  | 'down'
  /** There is none, by configuration. */
  | 'off';

const MOVES: Readonly<Record<DatabaseStatus, readonly DatabaseStatus[]>> = {
  starting: ['up'],
  up: ['down'],
  down: ['up'],
  off: [],
};

/** Gives `to`, if a database may go there from `from`; throws otherwise, since that is a defect. */
export function moveDatabase(from: DatabaseStatus, to: DatabaseStatus): DatabaseStatus {
  if (MOVES[from].includes(to)) return to;
  throw new Error(`A database cannot go from ${from} to ${to}.`);
}
