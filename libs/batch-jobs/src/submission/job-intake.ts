import type { BlobStore } from '@app/blob-store';
import { type Clock, QuaysideError, isQuaysideError } from '@app/core';
import type { JobLimits } from '../batch-jobs-options';
import type { JobQueue } from '../queue/job-queue';
import type { ChunkDispatch, JobRecord } from '../records/job-record';
import type { JobStore } from '../records/job-store';
import type { UploadToSeal } from '../records/job-uploads';
import { ArrivingInput } from './arriving-input';
import { readHash } from './body-hash';
import type { JobSubmission } from './job-submission';
import { JobUpload } from './job-upload';
import { removeJobFiles } from './remove-job-files';
import { type CheckedSubmission, type SubmissionCheck, isIdempotencyKey } from './submission-check';

/** What an intake is made of. */
export interface JobIntakeParts {
  readonly store: JobStore;
  readonly blobs: BlobStore;
  readonly queue: Pick<JobQueue, 'add'>;
  readonly clock: Clock;
  readonly check: SubmissionCheck;
  readonly limits: JobLimits;
  readonly chunkSeconds: number;
  /** How often an upload says that it goes on. */
  readonly pulseMs: number;
  /** Told what keeps an interrupted upload from being taken away now. */
  leftBehind(jobId: string, fault: unknown): void;
}

const RETRY_MS = 1000;
const FULL_RETRY_MS = 10_000;

/**
 * Takes jobs in: check → begin → rows into chunk files → seal → queue. What ends before the seal leaves no job, no file and no
 * idempotency key behind; after it the job is a promise.
 */
export class JobIntake {
  private uploads = 0;

  constructor(private readonly parts: JobIntakeParts) {}

  /** As `BatchJobs.submit`; gives the job's record. */
  async take(tenant: string, submission: JobSubmission): Promise<JobRecord> {
    const { limits } = this.parts;
    if (this.uploads >= limits.uploads) throw tooManyUploads(limits);
    this.uploads += 1;
    try {
      return await this.takeOne(tenant, submission);
    } finally {
      this.uploads -= 1;
    }
  }

  private async takeOne(tenant: string, submission: JobSubmission): Promise<JobRecord> {
    const { store, limits } = this.parts;
    const checked = this.checked(tenant, submission);
    if ('fault' in checked) {
      // What was taken once is the same job for ever, though its deadline may be over now, or its model gone.
      const earlier = await this.earlier(tenant, submission);
      if (earlier) return this.repeat(earlier, submission);
      throw checked.fault;
    }
    const beginning = await store.uploads.begin(checked.job, limits);
    if (beginning.outcome === 'begun') return this.receive(beginning.job, checked, submission);
    if (beginning.outcome === 'key_in_use') return this.repeat(beginning.job, submission);
    throw tooManyJobs(beginning.outcome, limits);
  }

  private checked(tenant: string, submission: JobSubmission): CheckedSubmission | { readonly fault: unknown } {
    try {
      return this.parts.check.check(tenant, submission);
    } catch (fault) {
      return { fault };
    }
  }

  private async earlier(tenant: string, { idempotencyKey: key }: JobSubmission): Promise<JobRecord | undefined> {
    return key !== undefined && isIdempotencyKey(key) ? this.parts.store.uploads.findByKey(tenant, key) : undefined;
  }

  private async receive(begun: JobRecord, checked: CheckedSubmission, submission: JobSubmission): Promise<JobRecord> {
    const { store, queue, blobs } = this.parts;
    const sealed = await this.upload(begun, checked, submission).catch(async (fault: unknown) => {
      await this.takeBack(begun.id);
      throw fault;
    });
    // Not waited for: the job is safe, and the reconciler adds what the queue does not get.
    if (sealed) void queue.add(sealed);
    else await removeJobFiles(blobs, begun.id).catch((fault: unknown) => this.parts.leftBehind(begun.id, fault));
    return (await store.find(begun.tenant, begun.id)) ?? gone(begun.id);
  }

  /** Gives what is to be queued; undefined: the job has ended before its input had. */
  private async upload(
    { id: jobId, digest }: JobRecord,
    checked: CheckedSubmission,
    submission: JobSubmission,
  ): Promise<readonly ChunkDispatch[] | undefined> {
    const { uploads, rates } = this.parts.store;
    const rowsPerSecond = await rates.read(digest);
    const stored = await new JobUpload({ ...this.parts, uploads, jobId, checked, submission, rowsPerSecond }).run();
    return stored && this.seal(stored);
  }

  /** A seal of which nobody knows what became is tried once more: mostly the database is back then. */
  private async seal(upload: UploadToSeal): Promise<readonly ChunkDispatch[] | undefined> {
    const { uploads } = this.parts.store;
    try {
      return await uploads.seal(upload);
    } catch (fault) {
      if (!isQuaysideError(fault)) throw fault;
      return uploads.seal(upload);
    }
  }

  private async repeat(earlier: JobRecord, submission: JobSubmission): Promise<JobRecord> {
    if (earlier.status === 'validating') throw keyInUse();
    if (earlier.bodyHash === undefined) throw keyReused(earlier);
    const bytes = 'stream' in submission.input ? submission.input.stream.bytes : undefined;
    const arriving = bytes && new ArrivingInput(bytes, submission.signal);
    const hash = await readHash(submission, arriving, this.parts.limits.bytes);
    if (hash !== earlier.bodyHash) throw keyReused(earlier);
    return (await this.parts.store.find(earlier.tenant, earlier.id)) ?? earlier;
  }

  private async takeBack(jobId: string): Promise<void> {
    const { store, blobs, leftBehind } = this.parts;
    try {
      if (await store.uploads.discard(jobId)) await removeJobFiles(blobs, jobId);
    } catch (fault) {
      leftBehind(jobId, fault);
    }
  }
}

function tooManyUploads({ uploads }: JobLimits): QuaysideError {
  const message = `${uploads} uploads are under way, and this process reads no more at once. Try again in a moment.`;
  return new QuaysideError('too_many_uploads', message, { retryAfterMs: RETRY_MS });
}

function tooManyJobs(what: 'too_many_jobs' | 'too_many_rows', { activeJobs, queuedRows }: JobLimits): QuaysideError {
  const message =
    what === 'too_many_jobs'
      ? `${activeJobs} jobs have not ended yet, and no more are taken. Submit again when one has.`
      : `${queuedRows} rows of jobs wait already, and no more are taken. Submit again when fewer do.`;
  return new QuaysideError('too_many_jobs', message, { retryAfterMs: FULL_RETRY_MS });
}

function keyInUse(): QuaysideError {
  const message = 'The input of the first job with this Idempotency-Key is still arriving. Try again in a moment.';
  return new QuaysideError('idempotency_key_in_use', message, { retryAfterMs: RETRY_MS });
}

function keyReused({ id, bodyHash }: JobRecord): QuaysideError {
  const why =
    bodyHash === undefined ? 'which ended before its input had arrived' : 'with another body or other options';
  return new QuaysideError('idempotency_key_reused', `This Idempotency-Key is that of ${id}, ${why}. Use a new key.`);
}

function gone(id: string): never {
  throw new QuaysideError('job_not_found', `Job ${id} was deleted before all of its input had arrived.`);
}
