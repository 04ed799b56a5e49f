import { newId } from '@app/core';
import type { Queryable } from '@app/database';
import { fillWindow } from './after-chunk';
import type { JobDatabase, JobStoreOptions } from './job-database';
import { lockJob, moveJob } from './job-move';
import { type ChunkDispatch, JOB_CLASSES, type JobRecord, type NewJob, readJobs, updateJob } from './job-record';

/** How much work a tenant may have at once. */
export interface TenantLimits {
  readonly activeJobs: number;
  readonly queuedRows: number;
}

/** What became of a job that was to begin. */
export type JobBeginning =
  | { readonly outcome: 'begun'; readonly job: JobRecord }
  /** The tenant used this idempotency key before, for this job: compare its `bodyHash`, once it is not `validating`. */
  | { readonly outcome: 'key_in_use'; readonly job: JobRecord }
  /** The tenant has too much work already. */
  | { readonly outcome: 'too_many_jobs' | 'too_many_rows' };

/** A chunk whose file is stored. */
export interface NewChunk {
  readonly idx: number;
  readonly firstRow: number;
  readonly rows: number;
  readonly inputKey: string;
}

/** An upload whose last row was read. */
export interface UploadToSeal {
  readonly id: string;
  readonly total: number;
  /** Of the body and the options: a repeat with the same key has to have the same. */
  readonly bodyHash: string;
}

const ACTIVE = "status in ('validating', 'queued', 'running', 'cancelling')";

/** The way of a job from its first byte to the queue. Every method throws database_unavailable. */
export class JobUploads {
  constructor(
    private readonly db: JobDatabase,
    private readonly options: JobStoreOptions,
  ) {}

  /** The job with this key of the tenant. */
  findByKey(tenant: string, idempotencyKey: string): Promise<JobRecord | undefined> {
    return findByKey(this.db, tenant, idempotencyKey);
  }

  /** Makes the job, `validating`, and claims its idempotency key. */
  begin(job: NewJob, limits: TenantLimits): Promise<JobBeginning> {
    return this.db.transaction(async (tx) => {
      // Of a tenant's jobs one begins after the other: each counts those before it.
      await tx.query("select pg_advisory_xact_lock(hashtextextended('quayside jobs of ' || $1, 0))", [job.tenant]);
      const { tenant, idempotencyKey: key } = job;
      const earlier = key === undefined ? undefined : await findByKey(tx, tenant, key);
      if (earlier) return { outcome: 'key_in_use', job: earlier };
      const refusal = await refusalOf(tx, job.tenant, limits);
      if (refusal) return { outcome: refusal };
      return { outcome: 'begun', job: await insertJob(tx, job) };
    });
  }

  /** Names chunks whose files are stored. False: the job is no longer `validating`, so the upload is to stop. */
  addChunks(id: string, chunks: readonly NewChunk[]): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      if ((await lockJob(tx, id))?.status !== 'validating') return false;
      await tx.query('update job set upload_seen_at = now() where id = $1', [id]);
      const column = <K extends keyof NewChunk>(key: K) => chunks.map((chunk) => chunk[key]);
      await tx.query(
        `insert into job_chunk (job_id, idx, first_row, rows, input_key)
         select $1, * from unnest($2::int[], $3::int[], $4::int[], $5::text[]) on conflict do nothing`,
        [id, column('idx'), column('firstRow'), column('rows'), column('inputKey')],
      );
      return true;
    });
  }

  /** Says that the upload goes on, however slowly. False: the job is no longer `validating`, so the upload is to stop. */
  async touch(id: string): Promise<boolean> {
    const sql = "update job set upload_seen_at = now() where id = $1 and status = 'validating'";
    return (await this.db.query(sql, [id])).rowCount > 0;
  }

  /**
   * Makes the job `queued`, or `succeeded` where it has no rows. Gives the chunks to be queued; undefined: the job is no
   * longer `validating`. May be called again after database_unavailable, which leaves open what became of it: a sealed job
   * gives its chunks again.
   */
  seal(upload: UploadToSeal): Promise<readonly ChunkDispatch[] | undefined> {
    return this.db.transaction(async (tx) => {
      const job = await lockJob(tx, upload.id);
      if (job?.status === 'validating') return this.sealLocked(tx, job, upload);
      if (job?.bodyHash !== upload.bodyHash) return undefined;
      return job.status === 'queued' ? this.firstWindow(tx, job) : [];
    });
  }

  /**
   * Takes a job back that no client was promised, with its idempotency key. True: its files are the caller's to delete. False:
   * it is no longer `validating`, and stays.
   */
  async discard(id: string): Promise<boolean> {
    return (await this.db.query("delete from job where id = $1 and status = 'validating'", [id])).rowCount > 0;
  }

  private async sealLocked(
    tx: Queryable,
    job: JobRecord,
    { total, bodyHash }: UploadToSeal,
  ): Promise<readonly ChunkDispatch[]> {
    const chunks = await checkedChunks(tx, job.id, total);
    await updateJob(tx, {
      id: job.id,
      set: 'total = $2, chunks = $3, body_hash = $4',
      params: [total, chunks, bodyHash],
    });
    const { resultsKeptMs } = this.options;
    const queued = await moveJob(tx, { job, to: 'queued', resultsKeptMs });
    if (chunks > 0) return this.firstWindow(tx, queued);
    await moveJob(tx, { job: queued, to: 'succeeded', resultsKeptMs });
    return [];
  }

  private firstWindow(tx: Queryable, job: JobRecord): Promise<readonly ChunkDispatch[]> {
    const { windowChunks, lookAgainMs } = this.options;
    return fillWindow(tx, { job, from: 0, chunks: windowChunks, lookAgainMs });
  }
}

async function findByKey(
  db: Pick<JobDatabase, 'query'>,
  tenant: string,
  idempotencyKey: string,
): Promise<JobRecord | undefined> {
  return (await readJobs(db, 'from job where tenant = $1 and idempotency_key = $2', [tenant, idempotencyKey]))[0];
}

async function refusalOf(
  tx: Queryable,
  tenant: string,
  limits: TenantLimits,
): Promise<'too_many_jobs' | 'too_many_rows' | undefined> {
  const { rows } = await tx.query<{ jobs: number; queued: bigint }>(
    `select count(*)::int as jobs, coalesce(sum(total - succeeded - failed), 0)::bigint as queued
     from job where tenant = $1 and ${ACTIVE}`,
    [tenant],
  );
  const { jobs = 0, queued = 0n } = rows[0] ?? {};
  if (jobs >= limits.activeJobs) return 'too_many_jobs';
  return queued >= BigInt(limits.queuedRows) ? 'too_many_rows' : undefined;
}

async function insertJob(tx: Queryable, job: NewJob): Promise<JobRecord> {
  const id = `job_${newId().replaceAll('-', '')}`;
  const values = [
    ...[id, job.tenant, 'validating', JOB_CLASSES.indexOf(job.class), job.model, job.modelVersion, job.digest],
    ...[JSON.stringify(job.params), JSON.stringify(job.metadata)],
    ...[job.idempotencyKey, job.maxErrorRate, job.webhookUrl, isoOf(job.deadlineAtMs)].map((value) => value ?? null),
  ];
  await tx.query(
    `insert into job (id, tenant, status, class, model, model_version, digest, params, metadata, idempotency_key,
       max_error_rate, webhook_url, deadline_at)
     values (${values.map((_, at) => `$${at + 1}`).join(', ')})`,
    values,
  );
  const [made] = await readJobs(tx, 'from job where id = $1', [id]);
  if (!made) throw new Error(`Job ${id} was not inserted.`);
  return made;
}

function isoOf(epochMs: number | undefined): string | undefined {
  return epochMs === undefined ? undefined : new Date(epochMs).toISOString();
}

/** How many chunks there are. Throws where they are not the whole input: that is a defect, and no job may start with it. */
async function checkedChunks(tx: Queryable, id: string, total: number): Promise<number> {
  const { rows } = await tx.query<{ chunks: number; last: number; total: bigint }>(
    `select count(*)::int as chunks, coalesce(max(idx) + 1, 0) as last, coalesce(sum(rows), 0)::bigint as total
     from job_chunk where job_id = $1`,
    [id],
  );
  const found = rows[0];
  if (!found || found.last !== found.chunks || found.total !== BigInt(total))
    throw new Error(`Job ${id} is to have ${total} rows, and its chunks do not.`);
  return found.chunks;
}
