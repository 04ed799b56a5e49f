import { type Clock, type ErrorCode, isQuaysideError, newId } from '@app/core';
import type { Enriched } from '@app/feature-store';
import type { ModelVersion } from '@app/model-registry';
import type { PredictCall, Prediction } from './predict-call';
import type { PredictionRecord, RecordedInput } from './prediction-sink';
import type { Answer, PredictInput, TaskInput } from './tasks/task';

/** What a call that did not come that far cost. */
const NOTHING_RAN = { queueMs: 0, inferMs: 0, batchSize: 0 } as const;

/** What becomes known of a call on its way, so that one that fails in the middle has a record too. */
export class PredictionTrail {
  /** UUIDv7 under which the call is recorded. */
  readonly id = newId();
  private readonly startedAtMs: number;
  private version: ModelVersion | undefined;
  private enrichMs = 0;
  private joined: Enriched | undefined;
  private rows = 1;
  private input: RecordedInput | undefined;

  constructor(
    private readonly call: PredictCall,
    private readonly clock: Clock,
  ) {
    this.startedAtMs = clock.monotonicMs();
  }

  /** The call goes to this version: whatever becomes of it, it has a record. */
  goesTo(version: ModelVersion): void {
    this.version = version;
    this.call.onVersion?.(version, this.id);
  }

  /** Stored features were joined; that took until now. */
  enriched(enriched: Enriched, sinceMs: number): void {
    this.joined = enriched;
    this.enrichMs = this.clock.monotonicMs() - sinceMs;
  }

  /** Whether defaults stood in for stored features. */
  get degraded(): boolean {
    return this.joined?.degraded ?? false;
  }

  /** The call fits the model. */
  prepared(input: PredictInput, { rows, tensors }: TaskInput): void {
    this.rows = rows;
    this.input = input.form === 'rows' ? { form: 'rows', rows: input.rows } : { form: 'tensors', tensors };
  }

  /** The record of a call that was answered. */
  answered({ version, queueMs, computeMs, batchSize, cache }: Prediction, answer: Answer): PredictionRecord {
    return { ...this.soFar(version), status: 'ok', queueMs, inferMs: computeMs, batchSize, cache, answer };
  }

  /** The record of a call that failed; undefined where no version was found for it, or all its rows are asked again. */
  failed(error: unknown): PredictionRecord | undefined {
    if (!this.version) return undefined;
    const errorCode: ErrorCode = isQuaysideError(error) ? error.code : 'internal';
    const failed = { ...this.soFar(this.version), status: 'error', errorCode, ...NOTHING_RAN } as const;
    const { logAs } = this.call;
    if (!logAs) return failed;
    const jobIndexes = logAs.finalIn(error).map((place) => logAs.indexes[place]);
    return jobIndexes.length === 0 ? undefined : { ...failed, rows: jobIndexes.length, jobIndexes };
  }

  private soFar({ model, version, digest, manifest }: ModelVersion) {
    const { call, enrichMs, rows, input, degraded, joined } = this;
    const { logAs } = call;
    return {
      predictionId: logAs?.id ?? this.id,
      ...(logAs && { jobIndexes: logAs.indexes }),
      requestId: call.context.requestId,
      traceparent: call.context.traceparent,
      door: call.door,
      model,
      version,
      digest,
      manifest,
      rows,
      enrichMs,
      totalMs: this.clock.monotonicMs() - this.startedAtMs,
      degraded,
      ...(input && { input }),
      ...(input && joined?.provenance && { provenance: joined.provenance }),
    };
  }
}
