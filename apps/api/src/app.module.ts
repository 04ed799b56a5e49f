import { join } from 'node:path';
import type { Config } from '@app/config';
import { FeatureStoreModule } from '@app/feature-store';
import { HealthModule } from '@app/health';
import { InferenceModule, type InferenceOptions } from '@app/inference';
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

/** The server: libraries wired by the configuration, and the doors in front of them. */
@Module({})
export class AppModule {
  static forRoot(config: Config): DynamicModule {
    const { log, model, shutdown } = config;
    return {
      module: AppModule,
      imports: [
        ObservabilityModule.forRoot({ level: log.level }),
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
      providers: [ApiDocument],
    };
  }
}

function inferenceOptions({ data, executor, inference, inherited, model }: Config): InferenceOptions {
  return {
    executor: {
      environment: inherited,
      modelDirectory: model.dir,
      probeDirectory: join(data.dir, 'probes'),
      maxCached: model.maxCached,
      ...(executor.count !== undefined && { concurrency: executor.count }),
      ...(model.cacheBytes !== undefined && { memoryBudgetBytes: model.cacheBytes }),
    },
    scheduler: { queueLimitRows: inference.queueLimitRows, queueLimitBytes: inference.queueLimitBytes },
  };
}
