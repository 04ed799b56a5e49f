import type { JobRecord } from '../records/job-record';

/** A job as a client sees it, with what can be said of its speed. */
export interface JobView {
  readonly job: JobRecord;
  /** Rows answered per second in this attempt; undefined before the first of them. */
  readonly rate?: number;
  /** Seconds to the end at that rate, or before it is known at what one worker does of the model; only while the job runs. */
  readonly etaSeconds?: number;
}

/** A job with its speed; `modelRate` is what one worker does of the model in a second, where somebody knows. */
export function jobView(job: JobRecord, modelRate?: number): JobView {
  const rate = measuredRate(job);
  const expected = rate ?? modelRate;
  const isKnown = job.status === 'running' && job.remaining !== undefined && expected !== undefined;
  return { job, ...(rate !== undefined && { rate }), ...(isKnown && { etaSeconds: job.remaining / expected }) };
}

/** Whether only the model's rate says when the job will have ended. */
export function needsModelRate(job: JobRecord): boolean {
  return job.status === 'running' && measuredRate(job) === undefined;
}

function measuredRate({ succeeded, failed, answeredBefore, startedAtMs, finishedAtMs, readAtMs }: JobRecord) {
  const rows = succeeded + failed - answeredBefore;
  if (startedAtMs === undefined || rows <= 0) return undefined;
  const elapsedMs = (finishedAtMs ?? readAtMs) - startedAtMs;
  return elapsedMs > 0 ? (rows * 1000) / elapsedMs : undefined;
}
