import type { BlobStore } from '@app/blob-store';
import type { Clock } from '@app/core';
import type { Database } from '@app/database';
import type { JobQueue } from '../queue/job-queue';
import type { JobStore } from '../records/job-store';
import type { WebhookSender } from '../webhooks/webhook-sender';

/** How often a reconciler looks, and how patient it is. Times in milliseconds. */
export interface ReconcilerOptions {
  /** Between two looks. */
  readonly everyMs: number;
  /** How long a worker has a chunk without a sign of life, as the store's option says. */
  readonly leaseMs: number;
  /** From which age on a file that no row names is deleted: until then somebody may be writing or reading it. */
  readonly orphanAgeMs: number;
}

/** What a reconciler is made of. Its database needs two connections at least. */
export interface ReconcilerParts {
  readonly store: JobStore;
  readonly queue: Pick<JobQueue, 'add' | 'view'>;
  readonly blobs: BlobStore;
  readonly webhooks: Pick<WebhookSender, 'sendDue'>;
  readonly database: Pick<Database, 'status' | 'upForMs'>;
  readonly clock: Clock;
  readonly options: ReconcilerOptions;
  /** What it mended, and that a part of it fails or works again. */
  log(level: 'log' | 'warn', line: ReconcilerLine): void;
}

/** A line of its log. */
export interface ReconcilerLine {
  readonly event: string;
  readonly msg: string;
  readonly [key: string]: unknown;
}

/** Mends what crashes, lost queues and time leave behind. One runs in every worker process; several do no harm. */
export class Reconciler {
  constructor(private readonly parts: ReconcilerParts) {}

  /** Begins to look, in the background; nothing happens while the database is not up. */
  start(): void {
    void this.parts;
  }

  /** One look at everything, whatever the time. Never throws. */
  tick(): Promise<void> {
    return Promise.resolve();
  }

  /** Stops looking; resolves once what is under way has ended, or after two seconds. Safe to call twice. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
