import type { JsonRecord, JsonValue } from '@app/core';
import type { PredictOptions } from '@app/inference';

/** What rows of a job are predicted with. */
export interface RowsRun {
  readonly model: string;
  readonly version: string;
  /** Of the version that the job was made for; another one is not asked. */
  readonly digest: string;
  readonly options: PredictOptions;
  readonly jobId: string;
  /** Where each row stands in the job's input. */
  readonly indexes: readonly number[];
  /** Places of the rows for which a failure is the last word: only it may be recorded of them. The others run again. */
  readonly finalIn: (error: unknown) => readonly number[];
  readonly signal: AbortSignal;
}

/** The version that a job was made for is served no more: none of its rows can be answered. */
export class ModelGone extends Error {
  override readonly name = 'ModelGone';
}

/** Predicts rows of jobs. They wait for whoever is waiting for an answer online. */
export abstract class RowInference {
  /**
   * One output per row, in order, or one failure for all of them. Throws ModelGone, and errors of the catalogue: those of
   * `InferenceService.predict`.
   */
  abstract infer(rows: readonly JsonRecord[], run: RowsRun): Promise<readonly JsonValue[]>;
}
