export { InferenceModule } from './inference.module';
export type { InferenceOptions } from './inference.module';
export { InferenceService } from './inference.service';
export type { ModelSchema } from './inference.service';
export type { JobRows, PredictCall, Prediction } from './predict-call';
export { InferenceStatistics } from './inference-statistics';
export type { ModelStatistics, VersionFigures } from './inference-statistics';
export { ResultCache } from './caching/result-cache';
export type { CacheStatistics } from './caching/cache-counters';
export { PredictionSink } from './prediction-sink';
export type { PredictionRecord, RecordedInput } from './prediction-sink';
export type { CacheUse } from './caching/cached-call';
export { ModelScheduler } from './scheduling/model-scheduler';
export type { SchedulerOptions } from './scheduling/model-scheduler';
export type { ScheduledCall, ScheduledResult } from './scheduling/scheduled-call';
export type { DurationStatistics, RecentDurations } from './scheduling/durations';
export type {
  CallCounts,
  QueueStatistics,
  RunCounts,
  VersionStatistics,
  WaitingStatistics,
} from './scheduling/statistics';
export type { BatchVerdict } from './tasks/batch-check';
export { Executor } from './execution/executor';
export { ChildProcessExecutor } from './execution/child-process-executor';
export type {
  Batch,
  BatchResult,
  ExecutorStatus,
  LoadedModel,
  Room,
  SlotStatus,
  WorkSource,
} from './execution/executor';
export type {
  Answer,
  EngineSession,
  PredictInput,
  PredictOptions,
  TaskInput,
  TaskOutput,
  TaskSchema,
  Usage,
} from './tasks/task';
export type { ChildProcessExecutorOptions, ExecutorTimings } from './execution/executor-options';
export { cpuQuota, memoryLimitBytes } from './execution/cpu-quota';
