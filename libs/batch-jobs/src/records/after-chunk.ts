import type { Queryable } from '@app/database';
import { type JobStoreOptions, interval } from './job-database';
import { moveJob } from './job-move';
import { type ChunkDispatch, type JobFault, type JobRecord } from './job-record';
import { jobAfterChunk } from './job-state';

const TOO_MANY_ERRORS: JobFault = {
  code: 'max_error_rate',
  message: 'More rows failed than max_error_rate allows.',
};

/**
 * What follows when a chunk of a locked job has ended or stopped: the job ends, or its next chunk enters the window. Gives
 * that chunk, to be queued once the transaction is committed.
 */
export async function afterChunk(
  tx: Queryable,
  job: JobRecord,
  options: JobStoreOptions,
): Promise<ChunkDispatch | undefined> {
  const runs = job.status === 'cancelling' && (await hasRunning(tx, job.id));
  const to = jobAfterChunk({ ...job, runs });
  if (to === undefined) return job.status === 'running' ? openWindow(tx, job, options) : undefined;
  const error = to === 'failed' ? { error: TOO_MANY_ERRORS } : {};
  await moveJob(tx, { job, to, resultsKeptMs: options.resultsKeptMs, ...error });
  return undefined;
}

/** Whether a worker has a chunk of the job. */
export async function hasRunning(tx: Queryable, jobId: string): Promise<boolean> {
  const { rowCount } = await tx.query("select from job_chunk where job_id = $1 and status = 'running' limit 1", [
    jobId,
  ]);
  return rowCount > 0;
}

async function openWindow(tx: Queryable, job: JobRecord, options: JobStoreOptions): Promise<ChunkDispatch | undefined> {
  const from = job.enqueuedTo;
  return (await fillWindow(tx, { job, from, chunks: 1, lookAgainMs: options.lookAgainMs }))[0];
}

/** Which chunks enter the window. */
export interface WindowToFill {
  readonly job: JobRecord;
  /** The first chunk that may. */
  readonly from: number;
  readonly chunks: number;
  readonly lookAgainMs: number;
}

/** Puts the next pending chunks of a locked job into its window. Gives them, to be queued after the commit. */
export async function fillWindow(
  tx: Queryable,
  { job, from, chunks, lookAgainMs }: WindowToFill,
): Promise<readonly ChunkDispatch[]> {
  const { rows } = await tx.query<{ idx: number; dispatch: number }>(
    // Materialized: inside a join it would run, and lock other chunks, once for every row of the other side.
    `with next as materialized (
       select idx from job_chunk where job_id = $1 and idx >= $2 and status = 'pending' order by idx limit $3 for update
     )
     update job_chunk c set due_at = now() + ${interval(4)} from next
     where c.job_id = $1 and c.idx = next.idx returning c.idx, c.dispatch`,
    [job.id, from, chunks, lookAgainMs],
  );
  const entered = rows.map(({ idx, dispatch }) => ({ jobId: job.id, idx, dispatch, class: job.class }));
  if (entered.length === 0) return entered;
  const enqueuedTo = Math.max(...entered.map(({ idx }) => idx)) + 1;
  await tx.query('update job set enqueued_to = $2 where id = $1', [job.id, enqueuedTo]);
  return entered.sort((one, other) => one.idx - other.idx);
}
