import { ModelRegistry } from '@app/model-registry';
import { type DynamicModule, Module } from '@nestjs/common';
import { FeatureStore, PassThroughFeatureStore } from './feature-store';

/** Provides `FeatureStore` to every module: one that stores nothing. */
@Module({})
export class FeatureStoreModule {
  static forRoot(): DynamicModule {
    return {
      module: FeatureStoreModule,
      global: true,
      providers: [
        {
          provide: FeatureStore,
          inject: [ModelRegistry],
          useFactory: (registry: ModelRegistry) => new PassThroughFeatureStore(registry),
        },
      ],
      exports: [FeatureStore],
    };
  }
}
