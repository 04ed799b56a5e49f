export { FeatureStore, PassThroughFeatureStore } from './feature-store';
export { FeatureStoreModule } from './feature-store.module';
