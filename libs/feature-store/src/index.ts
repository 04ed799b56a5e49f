export { FeatureStore } from './feature-store';
export type {
  BoundRow,
  Enriched,
  FeatureRecord,
  FeatureSource,
  FeatureStatistics,
  FeatureStatus,
  FieldReading,
  InspectedFeature,
  InspectedRow,
  RequestField,
  RowProvenance,
} from './feature-store';
export { BoundFeatureStore } from './bound-feature-store';
export { pinnedViews, refuseTensors } from './bindings/compile-bindings';
export { resolveFeature, wantedOf } from './resolve-feature';
export type { ResolvedFeature, WantedFeature } from './resolve-feature';
export { FeatureQuery, QUERY_VALUE_LIMIT } from './feature-query';
export type { FeatureQueryParts } from './feature-query';
export { FeatureStoreModule } from './feature-store.module';
export type { FeatureStoreOptions } from './feature-store.module';
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
export { FeatureReader, loggedEntity } from './rows/feature-reader';
export type { FeatureRead, ReadOptions, RowReference, StoredRow } from './rows/feature-reader';
export { FeatureViews, readFeatureViews } from './views/feature-views';
export type { ViewFault } from './views/feature-views';
export { writeDuration } from './views/duration';
export { readViewDocument } from './views/view-document';
export { ENTITY_KEY_LIMIT_BYTES, entityKeyOf, parseEntityKey } from './views/entity-key';
export { FUTURE_LIMIT_US, FeatureViewStore, PUSH_ROW_LIMIT } from './rows/feature-view-store';
export type { Erased, PushRequest, PushResult, PushRow, RejectedRow, ViewStatistics } from './rows/feature-view-store';
export { planFeatures, recordedVersion } from './rows/feature-plan';
export type { FeaturePlan, PlannedChange, RecordedVersion } from './rows/feature-plan';
export { preparePush } from './rows/prepare-push';
export type { PreparedPush, PreparedRow } from './rows/prepare-push';
export { decodeRow } from './rows/stored-row';
export { CsvFault, readCsv } from './csv/read-csv';
export type { CsvLine, CsvTarget } from './csv/read-csv';
export { pushCsv } from './csv/push-csv';
export type { CsvProgress, CsvPush } from './csv/push-csv';
export type { FirstRowsSource } from './postgres/first-rows';
export { PostgresFeatureReader } from './postgres/postgres-feature-reader';
export { PostgresFeatureViewStore } from './postgres/postgres-feature-view-store';
export { FeatureHousekeeping } from './postgres/feature-housekeeping';
export { ViewApplication } from './postgres/view-application';
export type { ApplicationState } from './postgres/view-application';
