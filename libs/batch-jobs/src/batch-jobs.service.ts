import type { BlobStore } from '@app/blob-store';
import { type Clock, MODEL_NAME_PATTERN, QuaysideError } from '@app/core';
import type { Database } from '@app/database';
import type { JobQueue } from './queue/job-queue';
import type { ChunkRecord } from './records/chunk-record';
import type { JobRecord } from './records/job-record';
import type { JobRetry, JobStore } from './records/job-store';
import { type JobStatus, hasEnded } from './records/job-state';
import { type ResultsQuery, type ResultsReading, resultsGone, resultsOf } from './results/job-results';
import type { JobIntake } from './submission/job-intake';
import type { JobSubmission } from './submission/job-submission';
import { removeJobFiles } from './submission/remove-job-files';
import { type JobView, jobView, needsModelRate } from './watching/job-view';
import type { JobWatch } from './watching/job-watch';

/** Which jobs, newest first. */
export interface JobListQuery {
  readonly status?: JobStatus | undefined;
  readonly model?: string | undefined;
  readonly limit: number;
  /** The `next` of the page before. */
  readonly after?: string | undefined;
}

/** A page of jobs; `next` is there where more follow. */
export interface JobPage {
  readonly jobs: readonly JobView[];
  readonly next?: string;
}

/** How long a caller waits for news of a job. */
export interface JobWait {
  /** What the caller knows; absent: what is true now. */
  readonly version?: number | undefined;
  readonly timeoutMs: number;
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
}

/** Which chunks that were given up, of all jobs. */
export interface DeadChunkListQuery {
  readonly limit: number;
  /** The `next` of the page before. */
  readonly after?: string | undefined;
}

/** A page of chunks that were given up; `next` is there where more follow. */
export interface DeadChunkPage {
  readonly chunks: readonly ChunkRecord[];
  readonly next?: string;
}

/** What jobs are made of. */
export interface BatchJobsParts {
  readonly database: Pick<Database, 'status'>;
  readonly store: JobStore;
  readonly blobs: BlobStore;
  readonly queue: Pick<JobQueue, 'add'>;
  readonly intake: JobIntake;
  readonly watch: JobWatch;
  readonly clock: Clock;
  /** Told what keeps files from being deleted now; the clean-up finds them. */
  leftBehind(jobId: string, fault: unknown): void;
}

/** There are no tenants yet. */
const TENANT = '';
const JOB_ID = /^job_[0-9a-f]{32}$/;
const DEAD_CHUNK = /^(job_[0-9a-f]{32})\.(\d{1,9})$/;
const NOT_FOUND: JobRetry = { outcome: 'not_found' };

/**
 * Batch jobs, as the doors see them: many rows in one request, one result line per row. A job that was submitted survives
 * whatever dies. Every method throws database_unavailable, within two seconds, and those with an id job_not_found.
 */
export class BatchJobs {
  constructor(private readonly parts: BatchJobsParts) {}

  /**
   * Takes a job: resolves once all of its input is stored, and the job is a promise; it may have ended already, by a cancel.
   * Throws what the model's name or the options are refused for (model_not_found, model_version_not_found, model_not_ready,
   * model_unavailable, invalid_request, unsupported_option), too_many_jobs, too_many_uploads, idempotency_key_in_use,
   * idempotency_key_reused, what is wrong with the input (invalid_input, invalid_encoding, invalid_json, body_too_large, and
   * what the input throws), client_closed, storage_full and storage_unavailable.
   */
  async submit(submission: JobSubmission): Promise<JobView> {
    this.refuseWithoutDatabase();
    return this.viewOf(await this.parts.intake.take(TENANT, submission));
  }

  /** One job. */
  async get(id: string): Promise<JobView> {
    return this.viewOf(await this.find(id));
  }

  /**
   * One job, as soon as its version is another than the caller knows, it has ended, or the time is over; at once when this
   * process stops. Throws client_closed.
   */
  async wait(id: string, { version, ...wait }: JobWait): Promise<JobView> {
    const job = await this.find(id);
    if (hasEnded(job.status) || (version ?? job.version) !== job.version) return this.viewOf(job);
    await this.parts.watch.whenNews({ id, version: job.version, ...wait });
    return this.get(id);
  }

  /** One job, as soon as it has ended or the time is over; at once when this process stops. Throws client_closed. */
  async waitForEnd(id: string, { timeoutMs, signal }: Omit<JobWait, 'version'>): Promise<JobView> {
    const untilMs = this.parts.clock.monotonicMs() + timeoutMs;
    for (;;) {
      const job = await this.find(id);
      const leftMs = untilMs - this.parts.clock.monotonicMs();
      if (hasEnded(job.status) || leftMs <= 0 || this.parts.watch.isClosed) return this.viewOf(job);
      await this.parts.watch.whenNews({ id, version: job.version, timeoutMs: leftMs, signal });
    }
  }

  /** Jobs, newest first. Throws invalid_request for an `after` that no page gave. */
  async list({ status, model, limit, after }: JobListQuery): Promise<JobPage> {
    this.refuseWithoutDatabase();
    if (after !== undefined && !JOB_ID.test(after)) throw strangeCursor();
    // No other name is a model's, and some are no text that PostgreSQL takes.
    if (model !== undefined && !MODEL_NAME_PATTERN.test(model)) return { jobs: [] };
    const query = { ...(status && { status }), ...(model && { model }), ...(after && { after }) };
    const { page, last } = firstOf(await this.parts.store.list({ tenant: TENANT, limit: limit + 1, ...query }), limit);
    return { jobs: await this.viewsOf(page), ...(last && { next: last.id }) };
  }

  /** The results there are now. Throws job_results_gone, and invalid_request for a cursor that no page gave. */
  async results(id: string, query: ResultsQuery = {}): Promise<ResultsReading> {
    this.refuseWithoutDatabase();
    const plan = JOB_ID.test(id) ? await this.parts.store.resultsPlan(TENANT, id) : undefined;
    if (!plan) throw notFound(id);
    return resultsOf(plan, query, this.parts);
  }

  /** Stops a job; one that has ended stays as it is. */
  async cancel(id: string): Promise<JobView> {
    this.refuseWithoutDatabase();
    const job = JOB_ID.test(id) ? await this.parts.store.cancel(TENANT, id) : undefined;
    if (!job) throw notFound(id);
    return this.viewOf(job);
  }

  /** Runs what failed of a job again. Throws job_not_ended, job_nothing_failed, job_results_gone. */
  async retry(id: string): Promise<JobView> {
    this.refuseWithoutDatabase();
    const retry = JOB_ID.test(id) ? await this.parts.store.retry(TENANT, id) : NOT_FOUND;
    if (retry.outcome === 'not_found') throw notFound(id);
    if (retry.outcome !== 'retried') throw refusedRetry(id, retry.outcome);
    // Not waited for: what the queue does not get, the reconciler adds.
    void this.parts.queue.add(retry.queue);
    return this.viewOf(retry.job);
  }

  /** Deletes a job that has ended, and its bytes. Throws job_not_ended. */
  async remove(id: string): Promise<void> {
    this.refuseWithoutDatabase();
    const { store, blobs, leftBehind } = this.parts;
    const outcome = JOB_ID.test(id) ? await store.remove(TENANT, id) : 'not_found';
    if (outcome === 'not_found') throw notFound(id);
    if (outcome === 'not_ended') throw notEnded(id);
    await removeJobFiles(blobs, id).catch((fault: unknown) => leftBehind(id, fault));
  }

  /** Chunks that were given up, of all jobs. Throws invalid_request for an `after` that no page gave. */
  async deadChunks({ limit, after }: DeadChunkListQuery): Promise<DeadChunkPage> {
    this.refuseWithoutDatabase();
    const place = after === undefined ? {} : { after: deadChunkOf(after) };
    const { page, last } = firstOf(await this.parts.store.deadChunks({ limit: limit + 1, ...place }), limit);
    return { chunks: page, ...(last && { next: `${last.jobId}.${last.idx}` }) };
  }

  private async find(id: string): Promise<JobRecord> {
    this.refuseWithoutDatabase();
    const job = JOB_ID.test(id) ? await this.parts.store.find(TENANT, id) : undefined;
    if (!job) throw notFound(id);
    return job;
  }

  private async viewOf(job: JobRecord): Promise<JobView> {
    return jobView(job, needsModelRate(job) ? await this.parts.store.rates.read(job.digest) : undefined);
  }

  private async viewsOf(jobs: readonly JobRecord[]): Promise<readonly JobView[]> {
    const digests = [...new Set(jobs.filter(needsModelRate).map(({ digest }) => digest))];
    const rates = await Promise.all(digests.map((digest) => this.parts.store.rates.read(digest)));
    return jobs.map((job) => jobView(job, rates[digests.indexOf(job.digest)]));
  }

  private refuseWithoutDatabase(): void {
    if (this.parts.database.status() !== 'off') return;
    const message =
      'Jobs need a database, and this server has none: set DATABASE_URL to one, or unset it to run our own.';
    throw new QuaysideError('database_unavailable', message);
  }
}

/** The first `limit` of one more than that, and the last of them where more follow. */
function firstOf<T>(found: readonly T[], limit: number): { readonly page: readonly T[]; readonly last: T | undefined } {
  const page = found.slice(0, limit);
  return { page, last: found.length > limit ? page.at(-1) : undefined };
}

function deadChunkOf(cursor: string): { readonly jobId: string; readonly idx: number } {
  const [, jobId, idx] = DEAD_CHUNK.exec(cursor) ?? [];
  if (jobId === undefined) throw strangeCursor();
  return { jobId, idx: Number(idx) };
}

function strangeCursor(): QuaysideError {
  const message = 'after must be what the page before gave, unchanged.';
  const details = [{ field: 'after', code: 'invalid_cursor', message }];
  return new QuaysideError('invalid_request', message, { details });
}

/** What is no id of a job may be long, and is not repeated. */
function notFound(id: string): QuaysideError {
  return new QuaysideError('job_not_found', JOB_ID.test(id) ? `There is no job ${id}.` : 'No job has such an id.');
}

function notEnded(id: string): QuaysideError {
  return new QuaysideError('job_not_ended', `Job ${id} has not ended yet. Wait for its end, or cancel it first.`);
}

function refusedRetry(id: string, outcome: 'not_ended' | 'nothing_failed' | 'results_gone'): QuaysideError {
  if (outcome === 'not_ended') return notEnded(id);
  if (outcome === 'results_gone') return resultsGone(id);
  return new QuaysideError('job_nothing_failed', `No row of job ${id} failed, so there is none to run again.`);
}
