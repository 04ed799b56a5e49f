import type { ErrorCode } from '@app/core';
import {
  DeadChunksQuery,
  JobListQuery,
  JobQuery,
  JobRequest,
  JobResultsQuery,
  JobSettings,
} from '../jobs/job-request.dto';
import { DeadChunkList, DeletedJob, Job, JobList } from '../jobs/jobs.dto';
import { ResultLine } from '../jobs/result-line.dto';
import { JOB_EXAMPLES } from './job-examples';
import { ANY, BODY, type OperationText } from './operation-text';

const ONE = [...ANY, 'job_not_found', 'database_unavailable'] as const satisfies readonly ErrorCode[];

/** What jobs are asked for. */
export const JOB_OPERATIONS = {
  submitJob: {
    tag: 'jobs',
    summary: 'Submit a job',
    description:
      'Many rows in one request, one result line per row. With `model` in the query the body is rows, as NDJSON, CSV or a ' +
      'JSON array, and is read as it comes, however long that takes; the other parameters are then in the query, too. ' +
      'Without, it is one JSON object. The answer comes when every row is stored: from then on the job survives whatever dies.',
    body: [JobRequest],
    textBodies: ['application/x-ndjson', 'application/jsonl', 'text/csv'],
    query: JobSettings,
    takes: ['Idempotency-Key', 'Prefer'],
    answers: { 200: 'The job, which ended while it was waited for.', 202: 'The job, which was taken.' },
    answer: [Job],
    headers: ['Location', 'ETag', 'Retry-After', 'Preference-Applied'],
    examples: JOB_EXAMPLES.submitJob,
    errors: [
      ...ANY,
      ...BODY,
      'invalid_input',
      'unsupported_option',
      'model_not_found',
      'model_version_not_found',
      'model_load_failed',
      'model_not_ready',
      'model_unavailable',
      'idempotency_key_in_use',
      'idempotency_key_reused',
      'too_many_jobs',
      'too_many_uploads',
      'overloaded',
      'storage_full',
      'storage_unavailable',
      'database_unavailable',
    ],
  },
  listJobs: {
    tag: 'jobs',
    summary: 'List jobs',
    description: 'Jobs, the newest first. With `next_cursor` as `after` the next page begins where this one ends.',
    query: JobListQuery,
    answers: 'A page of the list.',
    answer: [JobList],
    examples: JOB_EXAMPLES.listJobs,
    errors: [...ANY, 'database_unavailable'],
  },
  describeJob: {
    tag: 'jobs',
    summary: 'Get a job',
    description:
      'How far a job is. With `wait` the answer comes when something has changed. `Retry-After` says when to look again.',
    query: JobQuery,
    takes: ['If-None-Match'],
    answers: { 200: 'The job.', 304: 'It is as `If-None-Match` says.' },
    answer: [Job],
    headers: ['ETag', 'Retry-After'],
    examples: JOB_EXAMPLES.describeJob,
    errors: ONE,
  },
  readJobResults: {
    tag: 'jobs',
    summary: 'Read the results of a job',
    description:
      'A line for each row, in the order of the input. While the job runs these are the rows up to the first one without an ' +
      'answer; with `X-Next-Cursor` as `after` one reads on from there. An answer that ends in a closed connection is not whole.',
    query: JobResultsQuery,
    answers: 'The lines that there are now.',
    answer: [ResultLine],
    lines: 'application/x-ndjson',
    headers: ['X-Job-Status', 'X-Next-Cursor', 'X-Results-Complete'],
    examples: JOB_EXAMPLES.readJobResults,
    errors: [...ONE, 'job_results_gone', 'storage_unavailable'],
  },
  cancelJob: {
    tag: 'jobs',
    summary: 'Cancel a job',
    description: 'No more of its rows start; those that are finished stay. A job that has ended stays as it is.',
    answers: { 202: 'The job.' },
    answer: [Job],
    headers: ['ETag', 'Retry-After'],
    examples: JOB_EXAMPLES.cancelJob,
    errors: ONE,
  },
  retryJob: {
    tag: 'jobs',
    summary: 'Run failed rows again',
    description:
      'Begins the next attempt of a job that has ended: rows that failed, or never ran, run again; the others stay.',
    answers: { 202: 'The job.' },
    answer: [Job],
    headers: ['ETag', 'Retry-After'],
    examples: JOB_EXAMPLES.retryJob,
    errors: [...ONE, 'job_not_ended', 'job_nothing_failed', 'job_results_gone'],
  },
  deleteJob: {
    tag: 'jobs',
    summary: 'Delete a job',
    description: 'Removes a job that has ended, with its rows, results, metadata and errors.',
    answers: 'It is gone.',
    answer: [DeletedJob],
    examples: JOB_EXAMPLES.deleteJob,
    errors: [...ONE, 'job_not_ended'],
  },
  listDeadChunks: {
    tag: 'jobs',
    summary: 'List what was given up',
    description:
      'Parts of jobs that failed, or whose worker died, too often. Retrying the job runs them again. Only while the server ' +
      'listens on loopback.',
    query: DeadChunksQuery,
    answers: 'A page of the list.',
    answer: [DeadChunkList],
    examples: JOB_EXAMPLES.listDeadChunks,
    errors: [...ANY, 'database_unavailable'],
  },
} as const satisfies Record<string, OperationText>;
