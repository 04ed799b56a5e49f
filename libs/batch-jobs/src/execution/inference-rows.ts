import { type Clock, type JsonRecord, type JsonValue, QuaysideError, isQuaysideError, randomBytes } from '@app/core';
import type { InferenceService, PredictCall } from '@app/inference';
import type { ModelRegistry } from '@app/model-registry';
import { pause } from './pause';
import { ModelGone, RowInference, type RowsRun } from './row-inference';

/** What predicts. */
export interface InferenceRowsParts {
  readonly inference: Pick<InferenceService, 'predict'>;
  readonly registry: Pick<ModelRegistry, 'resolve'>;
  readonly clock: Clock;
  /**
   * How long a version may be missing before it counts as gone, in milliseconds: the process that took the job may have found it
   * before this one does.
   */
  readonly missingMs: number;
}

/** Far beyond any run: what waits so long is tried again later. */
const DEADLINE_MS = 10 * 60_000;
const LOOK_MS = 250;

/** Rows of jobs through `InferenceService`, as bulk work: the same checks, joins and errors as online. */
export class InferenceRows extends RowInference {
  constructor(private readonly parts: InferenceRowsParts) {
    super();
  }

  override async infer(rows: readonly JsonRecord[], run: RowsRun): Promise<readonly JsonValue[]> {
    if (!this.isServed(run)) await this.whenServed(run);
    const prediction = await this.parts.inference.predict(this.callOf(rows, run));
    // It may have been replaced meanwhile.
    if (prediction.version.digest !== run.digest) throw new ModelGone();
    if (!prediction.rows) throw new QuaysideError('internal', 'An answer has no rows.');
    return prediction.rows;
  }

  private callOf(rows: readonly JsonRecord[], run: RowsRun): PredictCall {
    const { model, version, options, jobId, indexes, finalIn, signal } = run;
    const trace = jobId.slice('job_'.length);
    return {
      model: `${model}@${version}`,
      input: { form: 'rows', rows },
      options,
      priority: 'bulk',
      door: 'jobs',
      logAs: { id: uuidOf(trace), indexes, finalIn },
      context: {
        requestId: jobId,
        traceparent: `00-${trace}-${randomBytes(8).toString('hex')}-01`,
        deadlineAtMs: this.parts.clock.monotonicMs() + DEADLINE_MS,
        signal,
      },
    };
  }

  private async whenServed(run: RowsRun): Promise<void> {
    const { clock, missingMs } = this.parts;
    const untilMs = clock.monotonicMs() + missingMs;
    while (!this.isServed(run)) {
      if (clock.monotonicMs() >= untilMs) throw new ModelGone();
      await pause(LOOK_MS, clock, run.signal);
    }
  }

  private isServed({ model, version, digest }: RowsRun): boolean {
    try {
      return this.parts.registry.resolve({ model, version }).digest === digest;
    } catch (error) {
      if (isQuaysideError(error) && error.code.endsWith('_not_found')) return false;
      throw error;
    }
  }
}

function uuidOf(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
