import type { Queryable } from '@app/database';
import { afterChunk } from './after-chunk';
import { parseChunkKey } from './chunk-keys';
import { lockChunk } from './chunk-record';
import { type JobDatabase, type JobStoreOptions, interval } from './job-database';
import { lockJob, moveJob } from './job-move';
import { type ChunkDispatch, type DispatchRow, type JobRecord, readJobs, toDispatch, updateJob } from './job-record';
import { CHUNK_TRIES, type JobStatus, chunkMove } from './job-state';

/** How much of each kind one call takes. */
const PAGE = 500;
/** For each of these the queue is asked two questions, and all of them have to be answered in a few seconds. */
const DUE_PAGE = 100;
const HOPEFUL = `c.failures < ${CHUNK_TRIES} and c.crashes < ${CHUNK_TRIES}`;
const HAS_RUNNING = "exists (select from job_chunk c where c.job_id = job.id and c.status = 'running')";
const UPLOAD_INTERRUPTED = {
  code: 'upload_interrupted',
  message: 'The upload stopped before its end. Submit the job again.',
};

/** What several processes do that one would do as well. */
export type SharedWork = 'records' | 'files';

/**
 * What the reconciler finds and mends. Every method looks at what has fallen due, may run in several processes at once, does
 * at most a page of it, and throws database_unavailable. A method that gives nothing has found nothing more.
 */
export class JobUpkeep {
  constructor(
    private readonly db: JobDatabase,
    private readonly options: JobStoreOptions,
  ) {}

  /** Runs `work`, unless another process is at it, which would only cost time. False: one is. */
  alone(what: SharedWork, work: () => Promise<void>): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const sql = "select pg_try_advisory_xact_lock(hashtextextended('quayside reconciler of ' || $1, 0)) as is_mine";
      const { rows } = await tx.query<{ is_mine: boolean }>(sql, [what]);
      if (!rows[0]?.is_mine) return false;
      await work();
      return true;
    });
  }

  /** Chunks that should have been claimed by now: ask the queue for them. */
  async dueChunks(): Promise<readonly ChunkDispatch[]> {
    const { rows } = await this.db.query<DispatchRow>(
      `select c.job_id, c.idx, c.dispatch, job.class from job_chunk c join job on job.id = c.job_id
       where c.due_at < now() and c.status = 'pending' and job.status in ('queued', 'running') and ${HOPEFUL}
       order by c.due_at limit ${DUE_PAGE}`,
    );
    return rows.map(toDispatch);
  }

  /** The queue has these, or is about to: they are looked at again later. */
  async postpone(chunks: readonly ChunkDispatch[]): Promise<void> {
    await this.touchDue(chunks, '');
  }

  /** The queue will not run these: gives them under new ids, to be queued. Those that moved on meanwhile are left out. */
  redispatch(chunks: readonly ChunkDispatch[]): Promise<readonly ChunkDispatch[]> {
    return this.touchDue(chunks, ', dispatch = c.dispatch + 1');
  }

  /** Takes chunks from workers that gave no sign of life, and gives those that are to be queued. Counts a crash each. */
  async expireLeases(): Promise<readonly ChunkDispatch[]> {
    const move = chunkMove('running', 'pending');
    const { rows } = await this.db.query<DispatchRow & { readonly is_wanted: boolean }>(
      `with late as materialized (
         select c.job_id, c.idx, job.class, job.status = 'running' as is_wanted
         from job_chunk c join job on job.id = c.job_id
         where ${move.where} and c.due_at < now() order by c.due_at limit ${PAGE} for update of c skip locked
       )
       update job_chunk c set ${move.set}, owner = null, crashes = c.crashes + 1, dispatch = c.dispatch + 1,
         bad_rows = case when c.probe_row is null then c.bad_rows else c.bad_rows || to_jsonb(c.probe_row) end,
         probe_row = null,
         due_at = case when late.is_wanted then now() +
           case when c.crashes + 1 < ${CHUNK_TRIES} then ${interval(1)} else interval '0' end end
       from late where c.job_id = late.job_id and c.idx = late.idx
       returning c.job_id, c.idx, c.dispatch, late.class, late.is_wanted and ${HOPEFUL} as is_wanted`,
      [this.options.lookAgainMs],
    );
    return rows.filter(({ is_wanted }) => is_wanted).map(toDispatch);
  }

  /**
   * Gives up chunks that failed, or whose worker died, too often. Gives how many were looked at, and what enters the windows
   * of their jobs.
   */
  async giveUpHopeless(): Promise<{ readonly chunks: number; readonly next: readonly ChunkDispatch[] }> {
    const { rows } = await this.db.query<{ job_id: string; idx: number }>(
      `select c.job_id, c.idx from job_chunk c join job on job.id = c.job_id
       where c.due_at <= now() and c.status = 'pending' and job.status in ('queued', 'running') and not (${HOPEFUL})
       limit ${PAGE}`,
    );
    const next: ChunkDispatch[] = [];
    for (const { job_id, idx } of rows) {
      const entered = await this.db.transaction((tx) => this.giveUp(tx, job_id, idx));
      if (entered) next.push(entered);
    }
    return { chunks: rows.length, next };
  }

  /** Ends the jobs that wait for nothing but to be called cancelled. Gives their ids. */
  endCancelled(): Promise<readonly string[]> {
    return this.eachJob({ where: `status = 'cancelling' and not ${HAS_RUNNING}` }, (tx, job) =>
      this.move(tx, job, 'cancelled'),
    );
  }

  /** Ends the jobs whose deadline is over. Gives their ids. */
  endOverdue(): Promise<readonly string[]> {
    return this.eachJob({ where: "status in ('queued', 'running') and deadline_at <= now()" }, (tx, job) =>
      this.move(tx, job, 'expired'),
    );
  }

  /** Ends the jobs whose upload fell silent, and frees their keys. Gives their ids: their files are to be deleted. */
  endInterruptedUploads(): Promise<readonly string[]> {
    const where = `status = 'validating' and upload_seen_at < now() - ${interval(2)}`;
    return this.eachJob({ where, params: [this.options.uploadSilenceMs] }, async (tx, job) => {
      await forgetFiles(tx, job.id, 'idempotency_key = null');
      await this.move(tx, job, 'failed');
    });
  }

  /** Forgets results past their time. Gives the ids of their jobs: their files are to be deleted. */
  forgetResults(): Promise<readonly string[]> {
    return this.eachJob({ where: 'results_expire_at <= now() and not results_removed' }, (tx, job) =>
      forgetFiles(tx, job.id),
    );
  }

  /** Deletes jobs past their time. Gives their ids. */
  deleteOldJobs(): Promise<readonly string[]> {
    const where = `finished_at < now() - ${interval(2)}`;
    return this.eachJob({ where, params: [this.options.jobsKeptMs] }, (tx, job) =>
      tx.query('delete from job where id = $1', [job.id]),
    );
  }

  /** Of files that are an hour old: the keys that no row names, nor a running chunk will. They are to be deleted. */
  async orphansAmong(keys: readonly string[]): Promise<readonly string[]> {
    const files = keys.flatMap((key) => {
      const file = parseChunkKey(key);
      return file ? [{ key, jobId: file.jobId, idx: file.idx, epoch: file.kind === 'result' ? file.epoch : null }] : [];
    });
    const column = <K extends 'key' | 'jobId' | 'idx' | 'epoch'>(name: K) => files.map((file) => file[name]);
    const { rows } = await this.db.query<{ key: string }>(
      `select f.key from unnest($1::text[], $2::text[], $3::int[], $4::int[]) as f (key, job_id, idx, epoch)
       where not exists (select from job where job.id = f.job_id and job.status = 'validating')
         and not exists (select from job_chunk c where c.job_id = f.job_id and c.idx = f.idx
           and (c.input_key = f.key or c.result_key = f.key or (c.epoch = f.epoch and c.status = 'running')))`,
      [column('key'), column('jobId'), column('idx'), column('epoch')],
    );
    return rows.map(({ key }) => key);
  }

  private async touchDue(chunks: readonly ChunkDispatch[], also: string): Promise<readonly ChunkDispatch[]> {
    const column = <K extends keyof ChunkDispatch>(key: K) => chunks.map((chunk) => chunk[key]);
    const { rows } = await this.db.query<DispatchRow>(
      `with seen as materialized (
         select c.job_id, c.idx, job.class from unnest($1::text[], $2::int[], $3::int[]) as s (job_id, idx, dispatch)
         join job_chunk c on c.job_id = s.job_id and c.idx = s.idx and c.dispatch = s.dispatch
         join job on job.id = c.job_id
         where c.status = 'pending' and job.status in ('queued', 'running') for update of c skip locked
       )
       update job_chunk c set due_at = now() + ${interval(4)}${also} from seen
       where c.job_id = seen.job_id and c.idx = seen.idx returning c.job_id, c.idx, c.dispatch, seen.class`,
      [column('jobId'), column('idx'), column('dispatch'), this.options.lookAgainMs],
    );
    return rows.map(toDispatch);
  }

  private async giveUp(tx: Queryable, jobId: string, idx: number): Promise<ChunkDispatch | undefined> {
    const job = await lockJob(tx, jobId);
    const chunk = await lockChunk(tx, jobId, idx);
    if (!job || job.status !== 'running' || chunk?.status !== 'pending') return undefined;
    const move = chunkMove('pending', 'dead');
    await tx.query(
      `update job_chunk c set ${move.set}, due_at = null where job_id = $1 and idx = $2 and ${move.where}`,
      [jobId, idx],
    );
    const set = 'failed = failed + $2, chunks_done = chunks_done + 1, version = version + 1';
    const counted = await updateJob(tx, { id: jobId, set, params: [chunk.rows - chunk.okRows] });
    return afterChunk(tx, counted, this.options);
  }

  /** Does `work` with each job for which this still holds once its row is locked. Gives their ids. */
  private async eachJob(
    { where, params = [] }: { readonly where: string; readonly params?: readonly unknown[] },
    work: (tx: Queryable, job: JobRecord) => Promise<unknown>,
  ): Promise<readonly string[]> {
    const sql = `select id from job where $1::text is null and ${where} order by id limit ${PAGE}`;
    const { rows } = await this.db.query<{ id: string }>(sql, [null, ...params]);
    const done: string[] = [];
    for (const { id } of rows) {
      await this.db.transaction(async (tx) => {
        const [job] = await readJobs(tx, `from job where id = $1 and ${where} for update`, [id, ...params]);
        if (!job) return;
        await work(tx, job);
        done.push(id);
      });
    }
    return done;
  }

  private move(tx: Queryable, job: JobRecord, to: JobStatus): Promise<JobRecord> {
    const error = to === 'failed' ? { error: UPLOAD_INTERRUPTED } : {};
    return moveJob(tx, { job, to, resultsKeptMs: this.options.resultsKeptMs, ...error });
  }
}

/** Rows first, files later: what no row names is found by the clean-up, whoever dies in between. */
async function forgetFiles(tx: Queryable, id: string, also = ''): Promise<void> {
  await updateJob(tx, { id, set: `results_removed = true${also && `, ${also}`}` });
  await tx.query('delete from job_chunk where job_id = $1', [id]);
}
