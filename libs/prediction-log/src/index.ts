export { PredictionLogModule } from './prediction-log.module';
export type { PredictionLogOptions } from './prediction-log.module';
export { LoggingPredictionSink } from './logging-prediction-sink';
export type { LoggingPredictionSinkParts, LogStatistics } from './logging-prediction-sink';
export type { DropReason, LogCounts } from './log-counters';
export type { LogQueueLimits } from './log-queue';
export type { LogStore, StoreOutcome } from './log-store';
export { LOG_COLUMNS, valuesOf } from './log-row';
export type { LogRow } from './log-row';
export { PredictionHistory, isPredictionId } from './prediction-history';
export type {
  InstanceKey,
  LoggedInstance,
  LoggedInstanceInFull,
  PredictionQuery,
  StoredFeature,
} from './prediction-history';
export { LogPartitions } from './log-partitions';
export { PostgresLogStore } from './postgres-log-store';
export { ModelFieldRules } from './field-rules';
export { Redactor } from './redaction';
