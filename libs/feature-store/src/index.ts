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
export { FeatureViews, readFeatureViews } from './views/feature-views';
export type { ViewFault } from './views/feature-views';
export { readViewDocument } from './views/view-document';
export { ENTITY_KEY_LIMIT_BYTES, entityKeyOf, parseEntityKey } from './views/entity-key';
