import { newId } from '@app/core';
import type { Queryable } from '@app/database';
import { interval } from './job-database';
import { type JobFault, type JobRecord, readJobs, updateJob } from './job-record';
import { type JobStatus, chunkMove, hasEnded, jobMove } from './job-state';

/** A move of a job whose row this transaction has locked. */
export interface JobMove {
  readonly job: JobRecord;
  readonly to: JobStatus;
  /** How long results are kept, where the move ends the attempt. */
  readonly resultsKeptMs: number;
  readonly error?: JobFault;
}

/** A job whose row stays locked until the transaction ends. Whoever needs its chunks too locks them after it, never before. */
export async function lockJob(tx: Queryable, id: string): Promise<JobRecord | undefined> {
  return (await readJobs(tx, 'from job where id = $1 for update', [id]))[0];
}

/**
 * The one place that changes a job's state. An end also lets go of the chunks, and leaves a message for the job's webhook, in
 * the same transaction.
 */
export async function moveJob(tx: Queryable, { job, to, resultsKeptMs, error }: JobMove): Promise<JobRecord> {
  const [set, params] = hasEnded(jobMove(job.status, to))
    ? [
        `finished_at = now(), results_expire_at = now() + ${interval(3)}, error = $4::jsonb`,
        endOf(resultsKeptMs, error),
      ]
    : [ARRIVES[to] ?? '', []];
  const moved = await updateJob(tx, {
    id: job.id,
    set: `status = $2, version = version + 1${set && `, ${set}`}`,
    params: [to, ...params],
  });
  if (!hasEnded(to)) return moved;
  await letGo(tx, job.id);
  await announce(tx, moved);
  return moved;
}

const ARRIVES: Partial<Record<JobStatus, string>> = {
  running: 'started_at = now()',
  cancelling: 'cancel_requested_at = now()',
};

function endOf(resultsKeptMs: number, error: JobFault | undefined): readonly unknown[] {
  return [resultsKeptMs, error === undefined ? null : JSON.stringify(error)];
}

/** Nobody looks at them any more, and what still runs is not heard: it no longer counts as running. */
async function letGo(tx: Queryable, jobId: string): Promise<void> {
  const stop = chunkMove('running', 'pending');
  // Locked by index, as heartbeats do, so that the two never wait for each other.
  await tx.query('select from job_chunk where job_id = $1 and due_at is not null order by idx for update', [jobId]);
  await tx.query(
    `update job_chunk c set ${stop.set}, owner = null, probe_row = null where job_id = $1 and ${stop.where}`,
    [jobId],
  );
  await tx.query('update job_chunk set due_at = null where job_id = $1 and due_at is not null', [jobId]);
}

async function announce(tx: Queryable, job: JobRecord): Promise<void> {
  if (job.webhookUrl === undefined) return;
  const type = `job.${job.status}`;
  await tx.query('insert into webhook_delivery (id, job_id, type, url, body) values ($1, $2, $3, $4, $5)', [
    `msg_${newId().replaceAll('-', '')}`,
    job.id,
    type,
    job.webhookUrl,
    JSON.stringify({ type, timestamp: new Date(job.finishedAtMs ?? 0).toISOString(), data: thinJob(job) }),
  ]);
}

/** A receiver asks for the rest, so that what it acts on is true when it acts. */
function thinJob(job: JobRecord): object {
  const { id, status, total = null, succeeded, failed, remaining = null } = job;
  const links = { self: `/v1/jobs/${id}`, results: `/v1/jobs/${id}/results` };
  return { id, status, counts: { total, succeeded, failed, remaining }, links };
}
