import { QuaysideError } from '@app/core';
import type { ChunkRecord } from './records/chunk-record';
import type { JobRecord } from './records/job-record';
import type { JobStatus } from './records/job-state';
import type { ResultPage } from './results/result-page';
import type { JobSubmission } from './submission/job-submission';
import type { JobView } from './watching/job-view';

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

/** Which result lines. */
export interface ResultsQuery {
  /** A cursor that a page of this job gave. */
  readonly after?: string | undefined;
  /** The most rows; absent: all there are. */
  readonly limit?: number | undefined;
  readonly onlyErrors?: boolean | undefined;
}

/** Results: what is known before the first byte, and the bytes. */
export interface ResultsReading {
  readonly job: JobRecord;
  readonly page: ResultPage;
  /** JSONL, one line per row in the order of the input, read as it is asked for. Throws storage_unavailable, database_unavailable. */
  readonly lines: AsyncIterable<Buffer>;
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

/**
 * Batch jobs, as the doors see them: many rows in one request, one result line per row. A job that was submitted survives
 * whatever dies. Every method throws database_unavailable, within two seconds, and those with an id job_not_found.
 */
export class BatchJobs {
  /**
   * Takes a job: resolves once all of its input is stored, and the job is a promise. Throws what the model's name or the
   * options are refused for (model_not_found, model_version_not_found, model_unavailable, invalid_request, unsupported_option),
   * too_many_jobs, too_many_uploads, idempotency_key_in_use, idempotency_key_reused, what is wrong with the input (invalid_input,
   * invalid_encoding, invalid_json, body_too_large, request_timeout), client_closed, storage_full and storage_unavailable.
   */
  submit(_submission: JobSubmission): Promise<JobView> {
    return this.notYet();
  }

  /** One job. */
  get(_id: string): Promise<JobView> {
    return this.notYet();
  }

  /** One job, as soon as its version is another than the caller knows, it has ended, or the time is over. Throws client_closed. */
  wait(_id: string, _wait: JobWait): Promise<JobView> {
    return this.notYet();
  }

  /** One job, as soon as it has ended or the time is over. Throws client_closed. */
  waitForEnd(_id: string, _wait: Omit<JobWait, 'version'>): Promise<JobView> {
    return this.notYet();
  }

  /** Jobs, newest first. Throws invalid_request for an `after` that no page gave. */
  list(_query: JobListQuery): Promise<JobPage> {
    return this.notYet();
  }

  /** The results there are now. Throws job_results_gone, and invalid_request for a cursor that no page gave. */
  results(_id: string, _query: ResultsQuery = {}): Promise<ResultsReading> {
    return this.notYet();
  }

  /** Stops a job; one that has ended stays as it is. */
  cancel(_id: string): Promise<JobView> {
    return this.notYet();
  }

  /** Runs what failed of a job again. Throws job_not_ended, job_nothing_failed, job_results_gone. */
  retry(_id: string): Promise<JobView> {
    return this.notYet();
  }

  /** Deletes a job that has ended, and its bytes. Throws job_not_ended. */
  remove(_id: string): Promise<void> {
    return this.notYet();
  }

  /** Chunks that were given up, of all jobs. Throws invalid_request for an `after` that no page gave. */
  deadChunks(_query: DeadChunkListQuery): Promise<DeadChunkPage> {
    return this.notYet();
  }

  private notYet(): Promise<never> {
    return Promise.reject(new QuaysideError('database_unavailable', 'Jobs are not served yet.'));
  }
}
