import { join } from 'node:path';
import { type CallContext, Clock, Drain, SystemClock } from '@app/core';
import { DatabaseModule } from '@app/database';
import { FeatureStoreModule } from '@app/feature-store';
import {
  InferenceModule,
  InferenceService,
  type PredictCall,
  type PredictInput,
  type PredictOptions,
  type Prediction,
  PredictionSink,
} from '@app/inference';
import { ModelRegistryModule } from '@app/model-registry';
import { type TestApp, createTestApp, temporaryDirectory } from '@app/testing';
import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ENTRY } from './execution-harness';
import { folderRead } from '../folder-read';

/** The views that the default models pin. */
const FEATURES = join(__dirname, '../../features');

@Global()
@Module({
  providers: [
    { provide: Clock, useClass: SystemClock },
    { provide: Drain, useFactory: () => new Drain() },
    { provide: PredictionSink, useValue: { record: () => {} } },
  ],
  exports: [Clock, Drain, PredictionSink],
})
class Surroundings {}

@Module({})
class PredictionsModule {
  static over(directory: string, probeDirectory: string): DynamicModule {
    const executor = { modelDirectory: directory, probeDirectory, entryPath: ENTRY, concurrency: 1 };
    const scheduler = { queueLimitRows: 2048, queueLimitBytes: 1e9 };
    // What these tests ask for is computed, every time.
    const cache = { maxBytes: 0 };
    const registry = ModelRegistryModule.forRoot({ directory, pollIntervalMs: 0 });
    return {
      module: PredictionsModule,
      imports: [
        Surroundings,
        registry,
        DatabaseModule.forRoot({ server: { kind: 'none' } }),
        FeatureStoreModule.forRoot({ directory: FEATURES, readTimeoutMs: 50 }),
        InferenceModule.forRoot({ executor, scheduler, cache }),
      ],
    };
  }
}

/** Predictions over a folder of models as the server makes them, with real executors and without doors. */
export class Predictions implements AsyncDisposable {
  private constructor(private readonly app: TestApp) {}

  /** Reads the folder once, at the start. */
  static async over(models: string): Promise<Predictions> {
    const app = await createTestApp(PredictionsModule.over(models, await temporaryDirectory()));
    await folderRead(app.app);
    return new Predictions(app);
  }

  predict(model: string, input: PredictInput, options: PredictOptions = {}): Promise<Prediction> {
    return this.ask({ model, input, options });
  }

  /** As a job asks: it waits for all others. */
  predictBulk(model: string, input: PredictInput): Promise<Prediction> {
    return this.ask({ model, input, options: {}, priority: 'bulk' });
  }

  close(): Promise<void> {
    return this.app.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private ask(call: Pick<PredictCall, 'model' | 'input' | 'options' | 'priority'>): Promise<Prediction> {
    const { signal } = new AbortController();
    const deadlineAtMs = performance.now() + 60_000;
    const context: CallContext = { requestId: 'test', traceparent: '', deadlineAtMs, signal };
    return this.app.app.get(InferenceService).predict({ ...call, context, door: 'test' });
  }
}
