import type { BlobStore } from '@app/blob-store';
import type { Clock } from '@app/core';
import type { JobDatabase } from '../records/job-database';

/** What a probe is made of. */
export interface BlobProbeParts {
  readonly db: JobDatabase;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** The name of this machine, for the operator. */
  readonly host: string;
}

/** A process that writes blobs says so: it writes one, and names it in PostgreSQL for as long as it runs. */
export class BlobProbe {
  constructor(private readonly parts: BlobProbeParts) {}

  /** Begins, in the background, once PostgreSQL is up. */
  start(): void {
    void this.parts;
  }

  /** Takes the probe away. Safe to call twice. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Blobs of a process that runs cannot be read here; the message says whose, and what to do. */
export class BlobsNotShared extends Error {}

/**
 * Resolves when the probe of every process that runs can be read. Throws `BlobsNotShared` otherwise, and
 * database_unavailable.
 */
export async function assertSharedBlobs(db: JobDatabase, blobs: BlobStore): Promise<void> {
  await Promise.resolve([db, blobs]);
}
