export type { PredictCall, Prediction } from './inference.service';
export { PredictionSink } from './prediction-sink';
export type { PredictionRecord } from './prediction-sink';
export { Executor } from './execution/executor';
export type { Batch, BatchResult, ExecutorStatus, LoadedModel, SlotStatus } from './execution/executor';
export type { Answer, PredictInput, PredictOptions, TaskInput, TaskOutput, TaskSchema, Usage } from './tasks/task';
