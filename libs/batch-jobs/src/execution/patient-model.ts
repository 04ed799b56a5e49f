import { type Clock, type JsonValue, QuaysideError, isQuaysideError } from '@app/core';
import type { JobRecord } from '../records/job-record';
import { type RowToAnswer, finalIn } from './answer-rows';
import { failureKind } from './failure-kind';
import { pause } from './pause';
import type { RowInference, RowsRun } from './row-inference';

/** What rows of a job are asked with. */
export interface PatientModelParts {
  readonly job: Pick<JobRecord, 'id' | 'model' | 'modelVersion' | 'digest' | 'params'>;
  readonly inference: RowInference;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** So many rows were answered. */
  readonly onAnswers: (rows: number) => void;
  /** A row brought a defect to light, which is to be logged. */
  readonly onDefect: (fault: unknown) => void;
}

/**
 * How long one call is tried again where the answer is to come back later. Longer than a version is paused whose executors died: the
 * rows that killed them are known by then.
 */
const PATIENCE_MS = 90_000;

/**
 * The version that a job was made for. Once it has answered, a refusal that says when to come back is waited out: the chunk would
 * begin anew for it. Before, its queue waits better.
 */
export class PatientModel {
  private hasAnswered = false;
  private readonly run: Omit<RowsRun, 'indexes' | 'finalIn'>;

  constructor(private readonly parts: PatientModelParts) {
    const { job, signal } = parts;
    const { id: jobId, model, modelVersion: version, digest } = job;
    this.run = { jobId, model, version, digest, options: job.params, signal };
  }

  /** One output per row, in order, or one failure for all of them. Throws what `RowInference.infer` throws, and shutting_down once the signal is aborted. */
  readonly ask = async (rows: readonly RowToAnswer[]): Promise<readonly JsonValue[]> => {
    const untilMs = this.parts.clock.monotonicMs() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.askOnce(rows);
      } catch (error) {
        this.throwIfStopped();
        if (rows.length === 1 && isDefect(error)) this.parts.onDefect(error);
        const waitMs = this.hasAnswered ? retryAfterMs(error) : undefined;
        if (waitMs === undefined || this.parts.clock.monotonicMs() + waitMs > untilMs) throw error;
        await pause(waitMs, this.parts.clock, this.parts.signal).catch(() => this.throwIfStopped());
      }
    }
  };

  /** In a code that nobody takes for a row's own fault, whatever the signal's reason is. */
  private throwIfStopped(): void {
    if (this.parts.signal.aborted) throw new QuaysideError('shutting_down', 'The chunk is to stop.');
  }

  private async askOnce(rows: readonly RowToAnswer[]): Promise<readonly JsonValue[]> {
    const outputs = await this.parts.inference.infer(
      rows.map(({ row }) => row),
      { ...this.run, indexes: rows.map(({ index }) => index), finalIn: (error) => finalIn(error, rows.length) },
    );
    this.hasAnswered = true;
    this.parts.onAnswers(rows.length);
    return outputs;
  }
}

function isDefect(error: unknown): boolean {
  return !isQuaysideError(error) && failureKind(error) === 'row';
}

function retryAfterMs(error: unknown): number | undefined {
  return isQuaysideError(error) && failureKind(error) === 'transient' ? error.retryAfterMs : undefined;
}
