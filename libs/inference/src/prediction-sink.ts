/** What is remembered of one prediction. Inputs and outputs enter with the prediction log. */
export interface PredictionRecord {
  readonly predictionId: string;
  readonly requestId: string;
  readonly traceparent: string;
  readonly model: string;
  readonly version: string;
  readonly digest: string;
  readonly rows: number;
  readonly queueMs: number;
  readonly computeMs: number;
}

/** Where predictions are recorded. `record` returns at once, never throws, and never holds up an answer. */
export abstract class PredictionSink {
  abstract record(prediction: PredictionRecord): void;
}
