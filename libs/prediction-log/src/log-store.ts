import type { LogRow } from './log-row';

/** What became of a batch of rows. */
export interface StoreOutcome {
  readonly written: number;
  readonly rejected: number;
}

/** Where rows go. */
export interface LogStore {
  /**
   * Writes all rows but those that cannot be written, which are set aside. Rows that are there already stay as they are.
   * Throws when it is not known what became of them: then all of them are to be given again.
   */
  insert(rows: readonly LogRow[]): Promise<StoreOutcome>;
}
