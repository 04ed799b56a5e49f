import type { DatabasePool } from '@app/database';

/** What the records need of a database: `Database.main` is one. */
export type JobDatabase = Pick<DatabasePool, 'query' | 'transaction'>;

/** How long things last, and how many are queued ahead. Times in milliseconds. */
export interface JobStoreOptions {
  /** How many chunks of a job are in the queue at once. */
  readonly windowChunks: number;
  /** How long a worker has a chunk without a sign of life. */
  readonly leaseMs: number;
  /** After how long a queued chunk that nobody claimed is looked at. */
  readonly lookAgainMs: number;
  /** After how long without progress an upload counts as interrupted. */
  readonly uploadSilenceMs: number;
  /** How long after its end a job's results, and the job itself, are kept. */
  readonly resultsKeptMs: number;
  readonly jobsKeptMs: number;
}

/** A number of milliseconds, the n-th parameter of a statement, as an interval. */
export function interval(parameter: number): string {
  return `$${parameter}::float8 * interval '1 millisecond'`;
}
