import type { CallContext, JsonValue } from '@app/core';
import type { ModelVersion, TaskName } from '@app/model-registry';
import type { PredictInput, PredictOptions, Usage } from './tasks/task';

/** One request for predictions, whichever door it came through. */
export interface PredictCall {
  /** `name`, `name@version` or `name@label`. */
  readonly model: string;
  /** The task that the door serves; another one is task_mismatch. Absent: any. */
  readonly task?: TaskName;
  readonly input: PredictInput;
  readonly options: PredictOptions;
  readonly context: CallContext;
}

/** What came of it. Exactly one of `rows` and `outputs` is there, by the form of the input. */
export interface Prediction {
  /** UUIDv7 under which the prediction is recorded. */
  readonly id: string;
  readonly version: ModelVersion;
  /** One output per row, in order. */
  readonly rows?: readonly JsonValue[];
  /** Values by output name, nested as their shape. */
  readonly outputs?: Readonly<Record<string, JsonValue>>;
  /** Text tasks only. */
  readonly usage?: Usage;
  readonly cache: 'off';
  /** Time spent waiting for an executor, in milliseconds. */
  readonly queueMs: number;
  /** Time inside the executor, in milliseconds. */
  readonly computeMs: number;
}
