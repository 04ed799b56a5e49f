export { FeatureStore, PassThroughFeatureStore } from './feature-store';
export type { Enriched, FeatureRecord, FeatureSource, FeatureStatus, RowProvenance } from './feature-store';
export { FeatureStoreModule } from './feature-store.module';
export { viewReference } from './views/feature-view';
export type {
  Entity,
  Feature,
  FeaturePolicies,
  FeatureView,
  FieldTag,
  OnMissing,
  OnStale,
  OnTimeout,
} from './views/feature-view';
export { FeatureReader } from './rows/feature-reader';
export type { FeatureRead, ReadOptions, RowReference, StoredRow } from './rows/feature-reader';
