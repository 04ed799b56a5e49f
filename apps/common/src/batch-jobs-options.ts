import type { BatchJobsOptions, QueueAddress } from '@app/batch-jobs';
import type { Config } from '@app/config';
import { databaseServer } from './database-server';

/** How jobs are taken and kept, as the settings say. */
export function batchJobsOptions(config: Config): BatchJobsOptions {
  const { job } = config;
  return {
    queue: queueAddress(config),
    records: {
      windowChunks: job.chunkWindow,
      leaseMs: job.leaseMs,
      lookAgainMs: job.lookAgainMs,
      uploadSilenceMs: job.uploadSilenceMs,
      resultsKeptMs: job.resultsRetentionMs,
      jobsKeptMs: job.retentionMs,
    },
    limits: {
      rows: job.maxRows,
      bytes: job.maxBytes,
      inflatedBytes: job.maxInflatedBytes,
      activeJobs: job.maxActive,
      queuedRows: job.maxQueuedRows,
      uploads: job.uploads,
    },
    chunkSeconds: job.chunkSeconds,
    webhooks: { secret: job.webhookSecret, allowedHosts: job.webhookAllowHosts },
  };
}

function queueAddress(config: Config): QueueAddress {
  const { job, redis } = config;
  return { redisUrl: redis.url, server: databaseServer(config), namespace: job.namespace };
}
