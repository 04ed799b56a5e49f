import type { InputLimits } from './input/input-limits';
import type { QueueAddress } from './queue/queue-connection';
import type { JobStoreOptions } from './records/job-database';
import type { TenantLimits } from './records/job-uploads';

/** How much is taken: of one job, of all of a tenant's that have not ended, and at once. */
export interface JobLimits extends InputLimits, TenantLimits {
  /** Inputs that one process reads at once. */
  readonly uploads: number;
}

/** Who may be told of a job's end. */
export interface WebhookOptions {
  /** What messages are signed with; undefined: jobs with a receiver are refused. */
  readonly secret: string | undefined;
  /** Hosts, with or without a port, that may be at any address and without https. */
  readonly allowedHosts: readonly string[];
}

/** How batch jobs are taken and kept. */
export interface BatchJobsOptions {
  readonly queue: QueueAddress;
  readonly records: JobStoreOptions;
  readonly limits: JobLimits;
  /** How long a chunk is meant to run, by what is known of the model's speed. */
  readonly chunkSeconds: number;
  readonly webhooks: WebhookOptions;
}
