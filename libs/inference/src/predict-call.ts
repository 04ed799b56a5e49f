import type { CallContext, JsonValue } from '@app/core';
import type { ModelVersion, TaskName } from '@app/model-registry';
import type { CacheUse } from './caching/cached-call';
import type { PredictInput, PredictOptions, Usage } from './tasks/task';

/** One request for predictions, whichever door it came through. */
export interface PredictCall {
  /** `name`, `name@version` or `name@label`. */
  readonly model: string;
  /** The task that the door serves; another one is task_mismatch. Absent: any. */
  readonly task?: TaskName;
  readonly input: PredictInput;
  readonly options: PredictOptions;
  /** False: the answer is computed anew and not kept. Absent: as the model's manifest says. */
  readonly cache?: boolean;
  /** Bulk work waits for online work, and reads kept results without keeping its own. Absent: online. */
  readonly priority?: 'online' | 'bulk';
  readonly context: CallContext;
  /** The door that the call came through, as the prediction log names it. */
  readonly door: string;
  /** There for rows of a job: how they are recorded. Absent: under the prediction's id, in order. */
  readonly logAs?: JobRows;
  /** Told which version the call goes to, and the prediction's id, as soon as both are known: also of a call that fails afterwards. */
  readonly onVersion?: (version: ModelVersion, predictionId: string) => void;
}

/**
 * Rows of a job as they are recorded: each under the job's id and its place there, so that one that runs twice has one record;
 * without what was asked and answered, which the job's own files have.
 */
export interface JobRows {
  /** UUIDv7 of the job. */
  readonly id: string;
  /** Where each row of the call stands in the job. */
  readonly indexes: readonly number[];
  /** Places in the call of the rows for which a failure is the last word; the others are asked again, and have no record yet. */
  readonly finalIn: (error: unknown) => readonly number[];
}

/** What came of it. Exactly one of `rows` and `outputs` is there, by the form of the input. */
export interface Prediction {
  /** UUIDv7 under which the prediction is recorded, made when the call began. */
  readonly id: string;
  readonly version: ModelVersion;
  /** One output per row, in order. */
  readonly rows?: readonly JsonValue[];
  /** Values by output name, nested as their shape. */
  readonly outputs?: Readonly<Record<string, JsonValue>>;
  /** Text tasks only. */
  readonly usage?: Usage;
  /** `hit` when every row was kept; `miss` when any was run for this call; `joined` when others ran what was not kept. */
  readonly cache: CacheUse;
  /** Time spent waiting for an executor, or for an equal call's run, in milliseconds; 0 for a hit. */
  readonly queueMs: number;
  /** Time inside the executor, in milliseconds; 0 unless it ran for this call. */
  readonly computeMs: number;
  /** Whether defaults stood in for stored features that could not be read in time. */
  readonly degraded: boolean;
  /** Rows that ran together; of several batches, those of the largest; 0 when nothing ran for this call. */
  readonly batchSize: number;
}
