import type { Config } from '@app/config';
import { HealthModule } from '@app/health';
import { type DynamicModule, Module } from '@nestjs/common';
import { libraryModules } from '../../common/src/library-modules';
import { AdminModule } from './admin/admin.module';
import { FeatureViewsController } from './features/feature-views.controller';
import { FeaturesController } from './features/features.controller';
import { HealthController } from './health/health.controller';
import { HttpPolicy } from './http/http-policy';
import { HttpModule } from './http/http.module';
import { EmbedController } from './inference/embed.controller';
import { ModelPredictController } from './inference/model-predict.controller';
import { PredictController } from './inference/predict.controller';
import { DeadChunksController } from './jobs/dead-chunks.controller';
import { JobResultsController } from './jobs/job-results.controller';
import { JobSubmissions } from './jobs/job-submission';
import { JobsController } from './jobs/jobs.controller';
import { ModelsController } from './models/models.controller';
import { AboutController } from './openapi/about.controller';
import { ApiDocument } from './openapi/api-document';
import { PredictionsController } from './predictions/predictions.controller';
import { ThisProcess } from './this-process';

/** The server: libraries wired by the configuration, and the doors in front of them. */
@Module({})
export class AppModule {
  /** `proc` is the number of this process in its log lines and statistics. */
  static forRoot(config: Config, proc = 1): DynamicModule {
    const { model, shutdown } = config;
    return {
      module: AppModule,
      imports: [
        ...libraryModules(config, { kind: 'api', proc }),
        HttpModule.forRoot(new HttpPolicy(config)),
        AdminModule,
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
        JobsController,
        JobResultsController,
        DeadChunksController,
        FeaturesController,
        FeatureViewsController,
        PredictionsController,
        HealthController,
        AboutController,
      ],
      providers: [ApiDocument, JobSubmissions, { provide: ThisProcess, useValue: new ThisProcess(proc) }],
    };
  }
}
