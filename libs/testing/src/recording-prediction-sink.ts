import { newId } from '@app/core';
import { type PredictionRecord, PredictionSink } from '@app/inference';
import { DEFAULT_MANIFEST, type LogSettings } from '@app/model-registry';

/** Keeps every prediction that it is told of, in order. */
export class RecordingPredictionSink extends PredictionSink {
  readonly records: PredictionRecord[] = [];

  override record(prediction: PredictionRecord): void {
    this.records.push(prediction);
  }
}

/** What may be said of a record to make; the rest is that of an answered row. */
export interface RecordToMake extends Partial<Omit<PredictionRecord, 'manifest'>> {
  readonly manifest?: Partial<PredictionRecord['manifest']>;
  readonly log?: Partial<LogSettings>;
}

/** The record of a prediction: of one row `{text: "hello"}` with the answer `{label: "greeting", score: 0.5}`. */
export function aPredictionRecord({ manifest, log, ...changes }: RecordToMake = {}): PredictionRecord {
  return {
    predictionId: newId(),
    requestId: 'request-1',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    door: 'predict',
    model: 'iris',
    version: '1',
    digest: 'sha256:00',
    status: 'ok',
    rows: 1,
    queueMs: 1,
    enrichMs: 0,
    inferMs: 2,
    totalMs: 4,
    batchSize: 1,
    cache: 'miss',
    degraded: false,
    input: { form: 'rows', rows: [{ text: 'hello' }] },
    answer: { form: 'rows', rows: [{ label: 'greeting', score: 0.5 }] },
    ...changes,
    manifest: { ...DEFAULT_MANIFEST, ...manifest, log: { ...DEFAULT_MANIFEST.log, ...log } },
  };
}
