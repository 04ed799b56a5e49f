import {
  ChunkConsumer,
  ChunkRunner,
  InferenceRows,
  JobQueue,
  JobStore,
  Reconciler,
  RowInference,
  WebhookSender,
  chunkWorker,
  parseWebhookSecrets,
} from '@app/batch-jobs';
import { BlobStore } from '@app/blob-store';
import type { Config } from '@app/config';
import { Clock, drainBudgets, newId } from '@app/core';
import { Database } from '@app/database';
import { InferenceService } from '@app/inference';
import { ModelRegistry } from '@app/model-registry';
import { Logger, type Provider } from '@nestjs/common';
import { batchJobsOptions } from '../../common/src/batch-jobs-options';
import { ChunkTurns } from './chunk-turns';
import { ChunkWork } from './chunk-work';
import { WorkerEnd } from './worker-end';

const logger = new Logger('Worker');
const log = (level: 'log' | 'warn', line: object): void => logger[level](line);
/** Looks at the models folder in which a version may yet be found that the process which took the job has found. */
const LOOKS_FOR_MODEL = 5;
const LEAST_MISSING_MS = 10_000;

/** What runs chunks, and what mends the records of jobs. */
export function workProviders(config: Config): readonly Provider[] {
  return [
    ...[WorkerEnd, rowInference(config), runner(config), turns(), consumer(config)],
    ...[webhooks(config), reconciler(config), work(config)],
  ];
}

function rowInference({ model }: Config): Provider {
  const missingMs = Math.max(LEAST_MISSING_MS, LOOKS_FOR_MODEL * model.pollIntervalMs);
  return {
    provide: RowInference,
    inject: [InferenceService, ModelRegistry, Clock],
    useFactory: (inference: InferenceService, registry: ModelRegistry, clock: Clock) =>
      new InferenceRows({ inference, registry, clock, missingMs }),
  };
}

function runner({ inference, job }: Config): Provider {
  return {
    provide: ChunkRunner,
    inject: [JobStore, BlobStore, RowInference, Clock],
    useFactory: (store: JobStore, blobs: BlobStore, rows: RowInference, clock: Clock) =>
      new ChunkRunner({
        ...{ store, blobs, inference: rows, clock, owner: newId() },
        ...{ concurrency: job.concurrency, rowsAtOnce: inference.queueLimitRows },
        onDefect: (err) =>
          logger.error({ event: 'row_failed', err, msg: 'A defect in the server failed a row of a job.' }),
      }),
  };
}

function turns(): Provider {
  return {
    provide: ChunkTurns,
    inject: [ChunkRunner, JobQueue, Clock],
    useFactory: (chunks: ChunkRunner, queue: JobQueue, clock: Clock) =>
      new ChunkTurns({ runner: chunks, queue, clock, log: logger }),
  };
}

function consumer(config: Config): Provider {
  const { concurrency } = config.job;
  const address = batchJobsOptions(config).queue;
  return {
    provide: ChunkConsumer,
    inject: [ChunkTurns, JobQueue, Database, Clock, WorkerEnd],
    useFactory: (chunks: ChunkTurns, queue: JobQueue, database: Database, clock: Clock, end: WorkerEnd) =>
      new ChunkConsumer({
        ...{ clock, concurrency, log },
        build: (parts) => chunkWorker({ ...parts, address, concurrency }),
        whenDatabaseUp: () => database.whenUp(),
        waiting: () => queue.waiting(),
        process: chunks.run,
        gaveUp: () => end.fail('The job queue gives no chunks, though some wait.'),
      }),
  };
}

function webhooks({ job }: Config): Provider {
  return {
    provide: WebhookSender,
    inject: [JobStore, Clock],
    useFactory: ({ webhooks: deliveries }: JobStore, clock: Clock) =>
      new WebhookSender({
        ...{ deliveries, clock, chance: Math.random },
        keys: job.webhookSecret === undefined ? [] : parseWebhookSecrets(job.webhookSecret),
        allowedHosts: new Set(job.webhookAllowHosts),
        log: (line) => logger.warn(line),
      }),
  };
}

function reconciler({ job }: Config): Provider {
  const options = { everyMs: job.reconcileMs, leaseMs: job.leaseMs, orphanAgeMs: job.orphanAgeMs };
  return {
    provide: Reconciler,
    inject: [JobStore, JobQueue, BlobStore, WebhookSender, Database, Clock],
    useFactory: (...[store, queue, blobs, sender, database, clock]: ReconcilerNeeds) =>
      new Reconciler({ store, queue, blobs, webhooks: sender, database, clock, options, log }),
  };
}

type ReconcilerNeeds = [JobStore, JobQueue, BlobStore, WebhookSender, Database, Clock];

/** Until rows come back that are with an executor, and all is given back. */
const RELEASE_MS = 3000;

function work({ job, shutdown }: Config): Provider {
  const { finish } = drainBudgets(shutdown.timeoutMs);
  const times = { heartbeatMs: job.heartbeatMs, finishMs: Math.max(finish / 2, finish - RELEASE_MS) };
  return {
    provide: ChunkWork,
    inject: [ChunkConsumer, ChunkRunner, Reconciler, JobStore, BlobStore, Database, Clock],
    useFactory: (...[chunks, chunkRunner, mender, store, blobs, database, clock]: WorkNeeds) =>
      new ChunkWork({
        consumer: chunks,
        runner: chunkRunner,
        reconciler: mender,
        store,
        blobs,
        database,
        clock,
        ...times,
      }),
  };
}

type WorkNeeds = [ChunkConsumer, ChunkRunner, Reconciler, JobStore, BlobStore, Database, Clock];
