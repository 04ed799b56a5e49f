import type { ErrorCode, JsonRecord, NamedTensors } from '@app/core';
import type { RowProvenance } from '@app/feature-store';
import type { Manifest } from '@app/model-registry';
import type { CacheUse } from './caching/cached-call';
import type { Answer } from './tasks/task';

/** What the model was given: rows after stored features were joined, or the tensors made of a call in that form. */
export type RecordedInput =
  | { readonly form: 'rows'; readonly rows: readonly JsonRecord[] }
  | { readonly form: 'tensors'; readonly tensors: NamedTensors };

/** What is remembered of one call that reached a version, whether it was answered or failed. Durations are in milliseconds. */
export interface PredictionRecord {
  /** UUIDv7, made when the call began; of rows of a job that of the job. */
  readonly predictionId: string;
  readonly requestId: string;
  readonly traceparent: string;
  /** The door that the call came through, such as `predict`. */
  readonly door: string;
  readonly model: string;
  readonly version: string;
  readonly digest: string;
  /** Of the version; says what is kept in a log. */
  readonly manifest: Manifest;
  readonly status: 'ok' | 'error';
  /** Of a failed call only. */
  readonly errorCode?: ErrorCode;
  /** Instances of the call; 1 for one that was refused before they were counted. */
  readonly rows: number;
  /** Rows of a job only: where each stands in it, and `predictionId` is the job's. What was asked and answered is not kept of them. */
  readonly jobIndexes?: readonly number[];
  readonly queueMs: number;
  readonly enrichMs: number;
  readonly inferMs: number;
  readonly totalMs: number;
  readonly batchSize: number;
  /** Absent: the call failed before there was a result. */
  readonly cache?: CacheUse;
  /** Whether defaults stood in for features that could not be read. */
  readonly degraded: boolean;
  /** Absent: the call was refused before it fitted the model. */
  readonly input?: RecordedInput;
  /** One per row: where the values of its columns came from; absent for a model without bindings. */
  readonly provenance?: readonly RowProvenance[];
  /** The answer, in the form of the input; absent of a failed call. */
  readonly answer?: Answer;
}

/**
 * Where predictions are recorded. `record` returns at once, never throws, and never holds up an answer; what it was
 * given is not changed afterwards.
 */
export abstract class PredictionSink {
  abstract record(prediction: PredictionRecord): void;
}
