import { join, resolve } from 'node:path';
import type { Config } from '@app/config';
import { DatabaseModule } from '@app/database';
import { FeatureStoreModule, type FeatureStoreOptions } from '@app/feature-store';
import { HealthModule } from '@app/health';
import { InferenceModule, type InferenceOptions, cpuQuota, memoryLimitBytes } from '@app/inference';
import { ModelRegistryModule } from '@app/model-registry';
import { ObservabilityModule } from '@app/observability';
import { PredictionLogModule, type PredictionLogOptions } from '@app/prediction-log';
import { type DynamicModule, Module } from '@nestjs/common';
import { CoreModule } from './core.module';
import { databaseServer } from './database-server';
import { FeatureViewsController } from './features/feature-views.controller';
import { FeaturesController } from './features/features.controller';
import { HealthController } from './health/health.controller';
import { HttpPolicy } from './http/http-policy';
import { HttpModule } from './http/http.module';
import { EmbedController } from './inference/embed.controller';
import { ModelPredictController } from './inference/model-predict.controller';
import { PredictController } from './inference/predict.controller';
import { ModelsController } from './models/models.controller';
import { AboutController } from './openapi/about.controller';
import { ApiDocument } from './openapi/api-document';
import { PredictionsController } from './predictions/predictions.controller';
import { ThisProcess } from './this-process';

/** What loaded versions may take of the memory that there is. */
const MODELS_SHARE = 0.6;

/** The server: libraries wired by the configuration, and the doors in front of them. */
@Module({})
export class AppModule {
  /** `proc` is the number of this process in its log lines and statistics. */
  static forRoot(config: Config, proc = 1): DynamicModule {
    const { log, model, shutdown } = config;
    return {
      module: AppModule,
      imports: [
        ObservabilityModule.forRoot({ level: log.level, proc }),
        CoreModule,
        DatabaseModule.forRoot({ server: databaseServer(config) }),
        HttpModule.forRoot(new HttpPolicy(config)),
        ModelRegistryModule.forRoot({ directory: model.dir, pollIntervalMs: model.pollIntervalMs }),
        FeatureStoreModule.forRoot(featureStoreOptions(config)),
        InferenceModule.forRoot(inferenceOptions(config)),
        PredictionLogModule.forRoot(predictionLogOptions(config)),
        HealthModule.forRoot({
          allowEmpty: model.allowEmpty,
          graceMs: shutdown.graceMs,
          timeoutMs: shutdown.timeoutMs,
        }),
      ],
      controllers: [
        PredictController,
        EmbedController,
        ModelPredictController,
        ModelsController,
        FeaturesController,
        FeatureViewsController,
        PredictionsController,
        HealthController,
        AboutController,
      ],
      providers: [ApiDocument, { provide: ThisProcess, useValue: new ThisProcess(proc) }],
    };
  }
}

/** A process's part of what is the machine's. */
function share(whole: number, { http }: Pick<Config, 'http'>): number {
  return Math.max(1, Math.floor(whole / Math.max(1, http.processes)));
}

/** The rows that come with a model of the default install, where that is served. */
function featureStoreOptions({ feature, model }: Config): FeatureStoreOptions {
  const firstRows = { view: 'applicant_profile', file: join(model.dir, 'credit-risk', 'applicants.csv') };
  const directory = resolve(feature.dir);
  return { directory, readTimeoutMs: feature.readTimeoutMs, ...(feature.firstRows && { firstRows }) };
}

function predictionLogOptions(config: Config): PredictionLogOptions {
  const { data, log, shutdown } = config;
  return {
    isOn: log.predictions && databaseServer(config).kind !== 'none',
    payload: log.predictionPayload,
    limits: { rows: log.predictionQueueRows, bytes: share(log.predictionQueueBytes, config) },
    retentionDays: log.predictionRetentionDays,
    // A little less than the drain gives to what is buffered.
    closeMs: Math.min(1900, shutdown.timeoutMs / 11),
    hashKey: log.predictionHashKey,
    dataDirectory: data.dir,
  };
}

/** Memory and CPUs are the machine's, and each HTTP process has an executor pool of its own: they are divided. */
function inferenceOptions(config: Config): InferenceOptions {
  const { data, executor, inference, inherited, model, redis } = config;
  return {
    executor: {
      environment: inherited,
      modelDirectory: model.dir,
      probeDirectory: join(data.dir, 'probes'),
      maxCached: model.maxCached,
      concurrency: executor.count ?? share(cpuQuota(), config),
      memoryBudgetBytes: share(model.cacheBytes ?? MODELS_SHARE * memoryLimitBytes(), config),
    },
    scheduler: { queueLimitRows: inference.queueLimitRows, queueLimitBytes: share(inference.queueLimitBytes, config) },
    cache: { maxBytes: inference.cacheBytes && share(inference.cacheBytes, config), redisUrl: redis.url },
  };
}
