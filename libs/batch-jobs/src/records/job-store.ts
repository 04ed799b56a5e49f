import type { Queryable } from '@app/database';
import { fillWindow, hasRunning } from './after-chunk';
import { BlobProbes } from './blob-probes';
import { ChunkLeases } from './chunk-leases';
import { CHUNK_COLUMNS, type ChunkRecord, readChunks } from './chunk-record';
import { backlogSeconds } from './job-backlog';
import type { JobDatabase, JobStoreOptions } from './job-database';
import { lockJob, moveJob } from './job-move';
import { type ChunkDispatch, type JobRecord, readJobs, updateJob } from './job-record';
import { type JobStatus, chunkMove, hasEnded } from './job-state';
import { JobUpkeep } from './job-upkeep';
import { JobUploads } from './job-uploads';
import { ModelRates } from './model-rates';
import { WebhookDeliveries } from './webhook-deliveries';

/** Which jobs, newest first. */
export interface JobQuery {
  readonly tenant: string;
  readonly status?: JobStatus;
  readonly model?: string;
  readonly limit: number;
  /** The id of the last job of the page before. */
  readonly after?: string;
}

/** What became of a retry. */
export type JobRetry =
  | { readonly outcome: 'retried'; readonly job: JobRecord; readonly queue: readonly ChunkDispatch[] }
  /** There is none, it has not ended, no row of it failed, or its input is past its time. */
  | { readonly outcome: 'not_found' | 'not_ended' | 'nothing_failed' | 'results_gone' };

/** Which results there are to read. */
export interface ResultsPlan {
  readonly job: JobRecord;
  /**
   * While the job goes on, the first chunk that has no result yet: those below are the prefix without gaps. Once it has
   * ended, the number of its chunks; among them may be some that never ran.
   */
  readonly endChunk: number;
  /** The first row of that chunk; once the job has ended, the number of its rows. */
  readonly endRow: number;
}

/** A page of the chunks that have results, by index. */
export interface ChunkPage {
  readonly jobId: string;
  readonly from: number;
  /** Chunks that end before this row are left out. Default 0. */
  readonly fromRow?: number;
  /** As the plan said, so that a plan stays true while chunks end. */
  readonly before: number;
  /** Default 500. */
  readonly limit?: number;
}

const CHUNKS_OF_A_PAGE = 500;

/**
 * The truth about batch jobs: PostgreSQL rows, of which this is the only writer. The job's row is always locked before those
 * of its chunks. A job of another tenant is as one that is not there. Every method throws database_unavailable.
 */
export class JobStore {
  /** The way of a job from its first byte to the queue. */
  readonly uploads: JobUploads;
  /** Chunks in the hands of workers. */
  readonly leases: ChunkLeases;
  /** What the reconciler finds and mends. */
  readonly upkeep: JobUpkeep;
  /** Messages to clients' receivers. */
  readonly webhooks: WebhookDeliveries;
  /** How fast models run. */
  readonly rates: ModelRates;
  /** Who writes blobs now. */
  readonly probes: BlobProbes;

  constructor(
    private readonly db: JobDatabase,
    private readonly options: JobStoreOptions,
  ) {
    this.uploads = new JobUploads(db, options);
    this.leases = new ChunkLeases(db, options);
    this.upkeep = new JobUpkeep(db, options);
    this.webhooks = new WebhookDeliveries(db);
    this.rates = new ModelRates(db);
    this.probes = new BlobProbes(db);
  }

  /** One job. */
  async find(tenant: string, id: string): Promise<JobRecord | undefined> {
    return (await readJobs(this.db, 'from job where id = $1 and tenant = $2', [id, tenant]))[0];
  }

  /** The versions of jobs, by id: one look for all who wait for a change. Those that are gone are missing. */
  async versionsOf(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const sql = 'select id, version from job where id = any($1)';
    const { rows } = await this.db.query<{ id: string; version: number }>(sql, [ids]);
    return new Map(rows.map(({ id, version }) => [id, version]));
  }

  /** Jobs, newest first. */
  list({ tenant, status, model, limit, after }: JobQuery): Promise<readonly JobRecord[]> {
    const rest = `from job where tenant = $1 and ($2::text is null or status = $2) and ($3::text is null or model = $3)
      and ($4::text is null or id < $4) order by id desc limit $5`;
    return readJobs(this.db, rest, [tenant, status ?? null, model ?? null, after ?? null, limit]);
  }

  /**
   * Stops a job; one that has ended stays as it is. It is `cancelling` until its running chunks have stopped, and `cancelled`
   * at once where there are none. Undefined: there is none.
   */
  cancel(tenant: string, id: string): Promise<JobRecord | undefined> {
    return this.db.transaction(async (tx) => {
      const job = await this.lockOf(tx, tenant, id);
      if (!job || job.status === 'cancelling' || hasEnded(job.status)) return job;
      const { resultsKeptMs } = this.options;
      const cancelling = await moveJob(tx, { job, to: 'cancelling', resultsKeptMs });
      if (await hasRunning(tx, id)) return cancelling;
      return moveJob(tx, { job: cancelling, to: 'cancelled', resultsKeptMs });
    });
  }

  /**
   * Begins the next attempt of a job that has ended: failed rows and dead chunks count as remaining and run again, and so do
   * rows that a cancel or a deadline left out. A deadline that is over is lifted.
   */
  retry(tenant: string, id: string): Promise<JobRetry> {
    return this.db.transaction(async (tx) => {
      const job = await this.lockOf(tx, tenant, id);
      if (!job) return { outcome: 'not_found' };
      if (!hasEnded(job.status)) return { outcome: 'not_ended' };
      if (job.failed === 0) return { outcome: 'nothing_failed' };
      if (job.resultsAreGone) return { outcome: 'results_gone' };
      return this.retryLocked(tx, job);
    });
  }

  /** Deletes a job that has ended, all but its files: those are the caller's to delete. */
  remove(tenant: string, id: string): Promise<'removed' | 'not_found' | 'not_ended'> {
    return this.db.transaction(async (tx) => {
      const job = await this.lockOf(tx, tenant, id);
      if (!job) return 'not_found';
      if (!hasEnded(job.status)) return 'not_ended';
      await tx.query('delete from job where id = $1', [id]);
      return 'removed';
    });
  }

  /** What there is to read of a job's results now. */
  resultsPlan(tenant: string, id: string): Promise<ResultsPlan | undefined> {
    return this.db.transaction(async (tx) => {
      // Both at the same moment: a chunk that ends in between would be missing from the prefix of an ended job.
      await tx.query('set transaction isolation level repeatable read, read only');
      const [job] = await readJobs(tx, 'from job where id = $1 and tenant = $2', [id, tenant]);
      if (!job) return undefined;
      const ended = { job, endChunk: job.chunks, endRow: job.total ?? 0 };
      if (hasEnded(job.status)) return ended;
      const sql = `select idx, first_row from job_chunk where job_id = $1 and status in ('pending', 'running')
        order by idx limit 1`;
      const open = (await tx.query<{ idx: number; first_row: number }>(sql, [id])).rows[0];
      return open ? { job, endChunk: open.idx, endRow: open.first_row } : ended;
    });
  }

  /**
   * Chunks of a job that are done or dead; those that a retry has opened again count by what they had before. A dead one
   * without a file has no result line yet.
   */
  finishedChunks(page: ChunkPage): Promise<readonly ChunkRecord[]> {
    const { jobId, from, fromRow = 0, before, limit = CHUNKS_OF_A_PAGE } = page;
    const sql = `select ${CHUNK_COLUMNS} from job_chunk c
      where job_id = $1 and idx >= $2 and idx < $3 and first_row + rows > $4
        and (status in ('done', 'dead') or result_key is not null) order by idx limit $5`;
    return readChunks(this.db, sql, [jobId, from, before, fromRow, limit]);
  }

  /** Chunks that were given up, of all jobs; `after` is the last one of the page before. */
  deadChunks({ limit, after }: DeadChunkQuery): Promise<readonly ChunkRecord[]> {
    const sql = `select ${CHUNK_COLUMNS} from job_chunk c
      where status = 'dead' and ($1::text is null or (job_id, idx) > ($1, $2::int)) order by job_id, idx limit $3`;
    return readChunks(this.db, sql, [after?.jobId ?? null, after?.idx ?? null, limit]);
  }

  /** How long one worker would take for all that is left, in seconds; what runs now counts too. */
  backlogSeconds(): Promise<number> {
    return backlogSeconds(this.db);
  }

  private async lockOf(tx: Queryable, tenant: string, id: string): Promise<JobRecord | undefined> {
    const job = await lockJob(tx, id);
    return job?.tenant === tenant ? job : undefined;
  }

  private async retryLocked(tx: Queryable, job: JobRecord): Promise<JobRetry> {
    await reopenChunks(tx, job.id);
    await updateJob(tx, {
      id: job.id,
      set: `attempt = attempt + 1, failed = 0, answered_before = succeeded, sample_errors = '[]', error = null,
        started_at = null, finished_at = null, results_expire_at = null, cancel_requested_at = null,
        deadline_at = case when deadline_at > now() then deadline_at end,
        chunks_done = (select count(*) from job_chunk c where c.job_id = $1 and c.status in ('done', 'dead'))`,
    });
    const queued = await moveJob(tx, { job, to: 'queued', resultsKeptMs: this.options.resultsKeptMs });
    const { windowChunks, lookAgainMs } = this.options;
    const queue = await fillWindow(tx, { job: queued, from: 0, chunks: windowChunks, lookAgainMs });
    return { outcome: 'retried', job: queued, queue };
  }
}

/** Which dead chunks. */
export interface DeadChunkQuery {
  readonly limit: number;
  readonly after?: { readonly jobId: string; readonly idx: number };
}

/** A new dispatch for all that will run: of the old one the queue may still hold a failed job, and would take no other. */
async function reopenChunks(tx: Queryable, jobId: string): Promise<void> {
  for (const [from, which] of [
    ['done', 'c.err_rows > 0'],
    ['dead', 'true'],
  ] as const) {
    const move = chunkMove(from, 'pending');
    await tx.query(`update job_chunk c set ${move.set} where job_id = $1 and ${move.where} and ${which}`, [jobId]);
  }
  await tx.query(
    `update job_chunk set dispatch = dispatch + 1, failures = 0, crashes = 0, probe_row = null
     where job_id = $1 and status = 'pending'`,
    [jobId],
  );
}
