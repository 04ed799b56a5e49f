import { join, resolve } from 'node:path';
import { BatchJobsModule } from '@app/batch-jobs';
import { BlobStoreModule } from '@app/blob-store';
import type { Config } from '@app/config';
import { DatabaseModule } from '@app/database';
import { FeatureStoreModule, type FeatureStoreOptions } from '@app/feature-store';
import { InferenceModule, type InferenceOptions, cpuQuota, memoryLimitBytes } from '@app/inference';
import { ModelRegistryModule } from '@app/model-registry';
import { ObservabilityModule } from '@app/observability';
import { PredictionLogModule, type PredictionLogOptions } from '@app/prediction-log';
import type { DynamicModule, Type } from '@nestjs/common';
import { batchJobsOptions } from './batch-jobs-options';
import { CoreModule } from './core.module';
import { databaseServer } from './database-server';

/** What loaded versions may take of the memory that there is. */
const MODELS_SHARE = 0.6;
/** A worker lets go of its models, and of the processes that ran them, when it had nothing to do for so long. */
const WORKER_IDLE_MS = 60_000;
/** Processes that give way to all others may take long to be heard of. */
const PATIENT_TIMINGS = { helloMs: 60_000, pongMs: 15_000 };

/** Which process of the server the libraries are for. */
export interface ProcessRole {
  /** What waits for nobody online, and loads models only as long as it needs them, is a worker. */
  readonly kind: 'api' | 'worker';
  /** The number of the process in its log lines. */
  readonly proc: number;
}

/** Every library, wired by the configuration; what a process adds are its doors, or what it takes its work from. */
export function libraryModules(config: Config, role: ProcessRole): readonly (DynamicModule | Type)[] {
  const { blob, data, log, model } = config;
  return [
    ObservabilityModule.forRoot({ level: log.level, proc: role.proc }),
    CoreModule,
    DatabaseModule.forRoot({ server: databaseServer(config) }),
    BlobStoreModule.forRoot({ folder: blob.dir ?? join(data.dir, 'blobs') }),
    ModelRegistryModule.forRoot({
      directory: model.dir,
      pollIntervalMs: model.pollIntervalMs,
      loadsPinned: role.kind === 'api',
    }),
    FeatureStoreModule.forRoot(featureStoreOptions(config, role)),
    InferenceModule.forRoot(inferenceOptions(config, role)),
    PredictionLogModule.forRoot(predictionLogOptions(config, role)),
    BatchJobsModule.forRoot(batchJobsOptions(config)),
  ];
}

/** A process's part of memory that is the machine's: each process has an executor pool of its own. A plain one is alone. */
function share(whole: number, { http, job }: Config, { kind }: ProcessRole): number {
  const isPlain = kind === 'api' && http.processes === 0;
  const pools = isPlain ? 1 : http.processes + Math.max(kind === 'worker' ? 1 : 0, job.workers);
  return Math.max(1, Math.floor(whole / pools));
}

/** Workers give way to the HTTP processes, and take no part in the division of the CPUs. */
function concurrency({ executor, http }: Config, { kind }: ProcessRole): number {
  if (executor.count !== undefined) return executor.count;
  return kind === 'worker' ? cpuQuota() : Math.max(1, Math.floor(cpuQuota() / Math.max(1, http.processes)));
}

/** The rows that come with a model of the default install, where that is served. */
function featureStoreOptions({ feature, model }: Config, { kind }: ProcessRole): FeatureStoreOptions {
  const firstRows = { view: 'applicant_profile', file: join(model.dir, 'credit-risk', 'applicants.csv') };
  const directory = resolve(feature.dir);
  const fills = feature.firstRows && kind === 'api';
  return { directory, readTimeoutMs: feature.readTimeoutMs, ...(fills && { firstRows }) };
}

function predictionLogOptions(config: Config, role: ProcessRole): PredictionLogOptions {
  const { data, log, shutdown } = config;
  return {
    isOn: log.predictions && databaseServer(config).kind !== 'none',
    payload: log.predictionPayload,
    limits: { rows: log.predictionQueueRows, bytes: share(log.predictionQueueBytes, config, role) },
    retentionDays: log.predictionRetentionDays,
    // A little less than the drain gives to what is buffered.
    closeMs: Math.min(1900, shutdown.timeoutMs / 11),
    hashKey: log.predictionHashKey,
    dataDirectory: data.dir,
  };
}

function inferenceOptions(config: Config, role: ProcessRole): InferenceOptions {
  const { data, inference, inherited, model, redis } = config;
  const part = (whole: number): number => share(whole, config, role);
  return {
    executor: {
      environment: inherited,
      modelDirectory: model.dir,
      probeDirectory: join(data.dir, 'probes'),
      maxCached: model.maxCached,
      concurrency: concurrency(config, role),
      memoryBudgetBytes: part(model.cacheBytes ?? MODELS_SHARE * memoryLimitBytes()),
      ...(role.kind === 'worker' && { idleMs: WORKER_IDLE_MS, timings: PATIENT_TIMINGS }),
    },
    scheduler: { queueLimitRows: inference.queueLimitRows, queueLimitBytes: part(inference.queueLimitBytes) },
    cache: { maxBytes: inference.cacheBytes && part(inference.cacheBytes), redisUrl: redis.url },
  };
}
