import type { StoredValue } from '@app/core';

/** One stored row: what was pushed last for one entity of one view. Versions of a view are projections of it. */
export interface StoredRow {
  /** When the values were true, in microseconds since the epoch, UTC. */
  readonly eventTsUs: bigint;
  /** By feature name, of all versions of the view. Absent and null are the same: there is no value. */
  readonly values: Readonly<Record<string, StoredValue | null>>;
}

/** What names a stored row: a view (without version), and a key as `entityKeyOf` writes it. */
export interface RowReference {
  readonly view: string;
  readonly key: string;
}

/** How a log names the entity of a row: `view:key`, since a key alone may be that of another view's entity too. */
export function loggedEntity({ view, key }: RowReference): string {
  return `${view}:${key}`;
}

/** Ends a read early. */
export interface ReadOptions {
  /** How long the read may take in all, waiting for a connection included; the server's own limit holds as well. */
  readonly timeoutMs: number;
  /** Aborted when nobody waits any more. */
  readonly signal?: AbortSignal;
}

/** What came of a read: the rows that are there, or that the read did not happen in time. */
export type FeatureRead =
  { readonly kind: 'rows'; rows(view: string, key: string): StoredRow | undefined } | { readonly kind: 'timeout' };

/** Reads stored rows. A store that is slow, frozen, absent or overloaded is a `timeout`, never an error. */
export abstract class FeatureReader {
  /** All rows of a request at once, in one round trip; repeated references are read once. */
  abstract read(wanted: readonly RowReference[], options: ReadOptions): Promise<FeatureRead>;
}
