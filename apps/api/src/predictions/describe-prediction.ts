import type { LogStatistics, LoggedInstance, LoggedInstanceInFull, StoredFeature } from '@app/prediction-log';
import type {
  LoggedCall,
  LoggedFeature,
  LoggedPrediction,
  LoggedPredictionInstance,
  LoggedPredictionItem,
  PredictionLogSummary,
  PredictionOutcome,
} from './predictions.dto';

/** A prediction of at least one instance. */
export function describePrediction(
  instances: readonly [LoggedInstanceInFull, ...LoggedInstanceInFull[]],
): LoggedPrediction {
  return { ...callOf(instances[0]), instances: instances.map(describeInstance) };
}

/** An instance in short. */
export function describeItem(instance: LoggedInstance): LoggedPredictionItem {
  const { index, samplingRate, flags } = instance;
  return { ...callOf(instance), index, prediction: outcomeOf(instance), sampling_rate: samplingRate, flags };
}

/** The books of a process. */
export function describeLog(process: number, statistics: LogStatistics): PredictionLogSummary {
  const { written, dropped, rejected, sampledOut, failedFlushes, flushes, flushSeconds } = statistics;
  const { queueRows: rows, queueBytes: bytes, oldestAgeMs } = statistics;
  return {
    process,
    written,
    dropped: { ...dropped },
    rejected,
    sampled_out: sampledOut,
    failed_flushes: failedFlushes,
    flushes,
    flush_seconds: flushSeconds,
    queue: { rows, bytes, oldest_age_ms: oldestAgeMs },
  };
}

function callOf(instance: LoggedInstance): LoggedCall {
  return {
    id: instance.id,
    created_at: instance.createdAt,
    model: instance.model,
    model_version: instance.version,
    digest: instance.digest,
    door: instance.door,
    status: instance.status,
    error_code: instance.errorCode,
    request_id: instance.requestId,
    trace_id: instance.traceId,
    timings: {
      queue_ms: instance.queueMs,
      enrich_ms: instance.enrichMs,
      infer_ms: instance.inferMs,
      total_ms: instance.totalMs,
    },
    batch_size: instance.batchSize,
    cache: instance.cache,
    degraded: instance.degraded,
  };
}

function describeInstance(instance: LoggedInstanceInFull): LoggedPredictionInstance {
  const { index, inputs, outputs, features, entityKeys, samplingRate, flags } = instance;
  return {
    index,
    inputs,
    outputs,
    features: Object.entries(features ?? {}).map(([name, feature]) => describeFeature(name, feature)),
    entity_keys: entityKeys,
    prediction: outcomeOf(instance),
    sampling_rate: samplingRate,
    flags,
  };
}

function describeFeature(name: string, { v, st, src, ts, view, f, why }: StoredFeature): LoggedFeature {
  return {
    name,
    value: v,
    source: src,
    status: st,
    reason: why ?? null,
    view: view ?? null,
    feature: f ?? null,
    event_ts: ts ?? null,
  };
}

function outcomeOf({ predictionNum, predictionLabel, score }: LoggedInstance): PredictionOutcome {
  return { number: predictionNum, label: predictionLabel, score };
}
