import type { ChunkRecord, JobRecord, JobView } from '@app/batch-jobs';
import type { DeadChunk, Job, JobCounts, JobProgress } from './jobs.dto';

const LONGEST_PAUSE_SECONDS = 30;

/** A job, as every route shows it. */
export function describeJob(view: JobView): Job {
  const { job } = view;
  return {
    id: job.id,
    object: 'job',
    status: job.status,
    version: job.version,
    attempt: job.attempt,
    priority: job.class,
    model: { name: job.model, version: job.modelVersion, digest: `sha256:${job.digest}` },
    metadata: job.metadata,
    counts: countsOf(job),
    progress: progressOf(view),
    created_at: moment(job.createdAtMs),
    started_at: momentIfAny(job.startedAtMs),
    finished_at: momentIfAny(job.finishedAtMs),
    deadline_at: momentIfAny(job.deadlineAtMs),
    results_expire_at: momentIfAny(job.resultsExpireAtMs),
    error: job.error ?? null,
    sample_errors: job.sampleErrors.map(({ index, id, error: { code, message } }) => ({
      index,
      id,
      error: { code, message },
    })),
    links: { self: jobPath(job.id), results: `${jobPath(job.id)}/results` },
  };
}

/** Where a job is. */
export function jobPath(id: string): string {
  return `/v1/jobs/${id}`;
}

/** A version of a job as an entity tag. */
export function jobTag(version: number): string {
  return `"${version}"`;
}

/** How many seconds a poller should let pass: a tenth of what is left, within reason. */
export function pauseSeconds({ etaSeconds = 0 }: JobView): number {
  return Math.min(Math.max(Math.ceil(etaSeconds / 10), 1), LONGEST_PAUSE_SECONDS);
}

/** A part of a job that was given up. */
export function describeDeadChunk(chunk: ChunkRecord): DeadChunk {
  const { jobId, idx, firstRow, rows, failures, crashes, lastError } = chunk;
  return { job_id: jobId, index: idx, first_row: firstRow, rows, failures, crashes, last_error: lastError ?? null };
}

function countsOf({ total, succeeded, failed, remaining }: JobRecord): JobCounts {
  return { total: total ?? null, succeeded, failed, remaining: remaining ?? null };
}

function progressOf({ job, rate, etaSeconds }: JobView): JobProgress {
  const { total, remaining } = job;
  return {
    percent: total === undefined || remaining === undefined ? null : percentOf(total, remaining),
    rows_per_second: rate === undefined ? null : Math.round(rate * 10) / 10,
    eta_seconds: etaSeconds === undefined ? null : Math.ceil(etaSeconds),
  };
}

/** Rounded down, so that only the last row makes it 100. */
function percentOf(total: number, remaining: number): number {
  return total === 0 ? 100 : Math.floor((1000 * (total - remaining)) / total) / 10;
}

function moment(ms: number): string {
  return new Date(ms).toISOString();
}

function momentIfAny(ms: number | undefined): string | null {
  return ms === undefined ? null : moment(ms);
}
