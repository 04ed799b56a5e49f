import { join } from 'node:path';
import type { Config } from '@app/config';
import { FeatureStoreModule } from '@app/feature-store';
import { HealthModule } from '@app/health';
import { InferenceModule, type InferenceOptions, cpuQuota, memoryLimitBytes } from '@app/inference';
import { ModelRegistryModule } from '@app/model-registry';
import { ObservabilityModule } from '@app/observability';
import { type DynamicModule, Module } from '@nestjs/common';
import { CoreModule } from './core.module';
import { HealthController } from './health/health.controller';
import { HttpPolicy } from './http/http-policy';
import { HttpModule } from './http/http.module';
import { EmbedController } from './inference/embed.controller';
import { ModelPredictController } from './inference/model-predict.controller';
import { PredictController } from './inference/predict.controller';
import { ModelsController } from './models/models.controller';
import { AboutController } from './openapi/about.controller';
import { ApiDocument } from './openapi/api-document';
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
        HttpModule.forRoot(new HttpPolicy(config)),
        ModelRegistryModule.forRoot({ directory: model.dir, pollIntervalMs: model.pollIntervalMs }),
        FeatureStoreModule.forRoot(),
        InferenceModule.forRoot(inferenceOptions(config)),
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
        HealthController,
        AboutController,
      ],
      providers: [ApiDocument, { provide: ThisProcess, useValue: new ThisProcess(proc) }],
    };
  }
}

/** Memory and CPUs are the machine's, and each HTTP process has an executor pool of its own: they are divided. */
function inferenceOptions({ data, executor, http, inference, inherited, model, redis }: Config): InferenceOptions {
  const share = (whole: number): number => Math.max(1, Math.floor(whole / Math.max(1, http.processes)));
  return {
    executor: {
      environment: inherited,
      modelDirectory: model.dir,
      probeDirectory: join(data.dir, 'probes'),
      maxCached: model.maxCached,
      concurrency: executor.count ?? share(cpuQuota()),
      memoryBudgetBytes: share(model.cacheBytes ?? MODELS_SHARE * memoryLimitBytes()),
    },
    scheduler: { queueLimitRows: inference.queueLimitRows, queueLimitBytes: share(inference.queueLimitBytes) },
    cache: { maxBytes: inference.cacheBytes && share(inference.cacheBytes), redisUrl: redis.url },
  };
}
