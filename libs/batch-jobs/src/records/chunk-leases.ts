import { isQuaysideError } from '@app/core';
import type { Queryable } from '@app/database';
import { afterChunk } from './after-chunk';
import { CHUNK_COLUMNS, type ChunkRecord, lockChunk, readChunks } from './chunk-record';
import { type JobDatabase, type JobStoreOptions, interval } from './job-database';
import { lockJob, moveJob } from './job-move';
import { type ChunkDispatch, type JobRecord, type SampleError, readJobs, updateJob } from './job-record';
import { CHUNK_TRIES, chunkMove, hasEnded, takesResults, waitFactor } from './job-state';
import { storableText, withSamples } from './sample-errors';

/** A chunk in the hands of a worker, until its lease is over or the epoch has moved on. */
export interface HeldChunk {
  readonly jobId: string;
  readonly idx: number;
  readonly epoch: number;
}

/** A claimed chunk and what it takes to run it. */
export interface ClaimedChunk {
  readonly chunk: ChunkRecord;
  readonly job: JobRecord;
}

/** What a worker has made of a chunk; the file is durable already. */
export interface ChunkResult extends HeldChunk {
  readonly resultKey: string;
  readonly sha256: string;
  /** Together the rows of the chunk, those of earlier attempts among them. */
  readonly okRows: number;
  readonly errRows: number;
  /** The first failed rows, at most 20. */
  readonly sampleErrors: readonly SampleError[];
}

/** What became of a commit. Only after `lost` may the worker delete its file. */
export type ChunkCommit =
  | { readonly outcome: 'committed'; readonly next: ChunkDispatch | undefined }
  /** Another worker has the chunk, or the job has ended without it. */
  | { readonly outcome: 'lost' };

/** Why a worker gives a chunk back. */
export type ChunkRelease =
  /** Something that passes: a store that does not answer, a full disk. Counts; the queue tries the same id again. */
  | { readonly reason: 'failed'; readonly error: string }
  /** The worker stops, or was told to. Counts as nothing; the chunk is to be queued under a new id. */
  | { readonly reason: 'stopped' };

/** How often a commit whose outcome is unknown is tried again before the caller learns of it. */
const COMMIT_TRIES = 2;

/**
 * Chunks between a claim and its end. The epoch, which each claim raises, fences whatever a holder does: one that lost its
 * chunk changes nothing. Every method throws database_unavailable.
 */
export class ChunkLeases {
  constructor(
    private readonly db: JobDatabase,
    private readonly options: JobStoreOptions,
  ) {}

  /** Takes a chunk. Undefined: it is done, given up or held, or its job does not run; there is nothing to do. */
  async claim(jobId: string, idx: number, owner: string): Promise<ClaimedChunk | undefined> {
    await this.start(jobId);
    const move = chunkMove('pending', 'running');
    // The share lock orders claims against a cancel: once that has returned, no chunk starts.
    const sql = `with j as materialized (select id from job where id = $1 and status = 'running' for share)
      update job_chunk c set ${move.set}, epoch = c.epoch + 1, owner = $3, due_at = now() + ${interval(4)}
      from j where c.job_id = j.id and c.idx = $2 and ${move.where}
        and c.failures < ${CHUNK_TRIES} and c.crashes < ${CHUNK_TRIES}
      returning ${CHUNK_COLUMNS}`;
    const [chunk] = await readChunks(this.db, sql, [jobId, idx, owner, this.options.leaseMs]);
    const [job] = chunk ? await readJobs(this.db, 'from job where id = $1', [jobId]) : [];
    return chunk && job && { chunk, job };
  }

  /**
   * Renews leases, late ones too. Gives the chunks whose work is to stop: lost, or of a job that was cancelled or has ended.
   */
  async heartbeat(held: readonly HeldChunk[]): Promise<readonly HeldChunk[]> {
    const column = <K extends keyof HeldChunk>(key: K) => held.map((chunk) => chunk[key]);
    const { rows } = await this.db.query<{ job_id: string; idx: number; goes_on: boolean }>(
      `with mine as materialized (
         select c.job_id, c.idx, job.status = 'running' as goes_on
         from unnest($1::text[], $2::int[], $3::int[]) as held (job_id, idx, epoch)
         join job_chunk c on c.job_id = held.job_id and c.idx = held.idx and c.epoch = held.epoch
         join job on job.id = c.job_id
         where c.status = 'running' order by c.job_id, c.idx for update of c
       )
       update job_chunk c set due_at = now() + ${interval(4)} from mine
       where c.job_id = mine.job_id and c.idx = mine.idx returning c.job_id, c.idx, mine.goes_on`,
      [column('jobId'), column('idx'), column('epoch'), this.options.leaseMs],
    );
    const alive = new Set(rows.filter(({ goes_on }) => goes_on).map(({ job_id, idx }) => `${job_id} ${idx}`));
    return held.filter(({ jobId, idx }) => !alive.has(`${jobId} ${idx}`));
  }

  /**
   * Makes a result file the one that counts; the first commit of a chunk wins. When the connection breaks during the commit
   * its outcome is unknown: that is tried again, which changes nothing where it had succeeded. If database_unavailable is thrown
   * it is still unknown, and the file must stay: commit again, or leave it to the clean-up.
   */
  async commit(result: ChunkResult): Promise<ChunkCommit> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.db.transaction((tx) => this.commitIn(tx, result));
      } catch (fault) {
        if (tries === COMMIT_TRIES || !isUnavailable(fault)) throw fault;
      }
    }
  }

  /** Gives a chunk back. Gives what is to be queued; undefined: nothing, or the chunk was lost. */
  release(held: HeldChunk, release: ChunkRelease): Promise<ChunkDispatch | undefined> {
    return this.db.transaction(async (tx) => {
      const job = await lockJob(tx, held.jobId);
      const chunk = await lockChunk(tx, held.jobId, held.idx);
      if (!job || !isHeld(chunk, held)) return undefined;
      await this.giveBack(tx, { chunk, release, isWanted: job.status === 'running' });
      if (job.status === 'cancelling') return afterChunk(tx, job, this.options);
      if (release.reason === 'failed') return undefined;
      return { jobId: job.id, idx: chunk.idx, dispatch: chunk.dispatch + 1, class: job.class };
    });
  }

  /**
   * Saves which row runs alone next, or none. If the worker dies now, that row was the reason. False: the chunk was lost.
   */
  async probe(held: HeldChunk, row: number | undefined): Promise<boolean> {
    const sql = `update job_chunk set probe_row = $4
      where job_id = $1 and idx = $2 and epoch = $3 and status = 'running'`;
    const { rowCount } = await this.db.query(sql, [held.jobId, held.idx, held.epoch, row ?? null]);
    return rowCount > 0;
  }

  /** Ends a job that cannot go on, such as one whose model is gone. False: it had ended, or was cancelled. */
  fail(jobId: string, error: { readonly code: string; readonly message: string }): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const job = await lockJob(tx, jobId);
      if (!job || hasEnded(job.status) || job.status === 'cancelling') return false;
      await moveJob(tx, { job, to: 'failed', error, resultsKeptMs: this.options.resultsKeptMs });
      return true;
    });
  }

  /** A transaction of its own: most claims find the job running, and need no lock on its row but the share. */
  private async start(jobId: string): Promise<void> {
    const { rowCount } = await this.db.query("select from job where id = $1 and status = 'queued'", [jobId]);
    if (rowCount === 0) return;
    await this.db.transaction(async (tx) => {
      const job = await lockJob(tx, jobId);
      if (job?.status !== 'queued') return;
      await moveJob(tx, { job, to: 'running', resultsKeptMs: this.options.resultsKeptMs });
    });
  }

  private async commitIn(tx: Queryable, result: ChunkResult): Promise<ChunkCommit> {
    const job = await lockJob(tx, result.jobId);
    const chunk = await lockChunk(tx, result.jobId, result.idx);
    // It was committed before, and nobody heard of it.
    if (chunk?.resultKey === result.resultKey) return { outcome: 'committed', next: undefined };
    if (!job || !takesResults(job.status) || !isHeld(chunk, result)) return { outcome: 'lost' };
    await finishChunk(tx, chunk, result);
    const counted = await countChunk(tx, job, { chunk, result });
    return { outcome: 'committed', next: await afterChunk(tx, counted, this.options) };
  }

  private async giveBack(
    tx: Queryable,
    { chunk, release, isWanted }: { chunk: ChunkRecord; release: ChunkRelease; isWanted: boolean },
  ): Promise<void> {
    const failures = chunk.failures + (release.reason === 'failed' ? 1 : 0);
    const waitMs = failures >= CHUNK_TRIES ? 0 : this.options.lookAgainMs * waitFactor(failures);
    const move = chunkMove('running', 'pending');
    await tx.query(
      `update job_chunk c set ${move.set}, owner = null, probe_row = null, failures = $3, dispatch = dispatch + $4,
         last_error = coalesce($5, last_error), due_at = case when $7 then now() + ${interval(6)} end
       where job_id = $1 and idx = $2 and ${move.where}`,
      [
        ...[chunk.jobId, chunk.idx, failures, release.reason === 'stopped' ? 1 : 0],
        ...[release.reason === 'failed' ? storableText(release.error) : null, waitMs, isWanted],
      ],
    );
  }
}

function isHeld(chunk: ChunkRecord | undefined, { epoch }: HeldChunk): chunk is ChunkRecord {
  return chunk?.status === 'running' && chunk.epoch === epoch;
}

function isUnavailable(fault: unknown): boolean {
  return isQuaysideError(fault) && fault.code === 'database_unavailable';
}

async function finishChunk(tx: Queryable, chunk: ChunkRecord, result: ChunkResult): Promise<void> {
  if (result.okRows + result.errRows !== chunk.rows || result.okRows < chunk.okRows)
    throw new Error(`Chunk ${chunk.idx} of ${chunk.jobId} has ${chunk.rows} rows, and its result has not.`);
  const move = chunkMove('running', 'done');
  await tx.query(
    `update job_chunk c set ${move.set}, result_key = $3, sha256 = $4, ok_rows = $5, err_rows = $6, owner = null,
       probe_row = null, due_at = null, last_error = null where job_id = $1 and idx = $2 and ${move.where}`,
    [chunk.jobId, chunk.idx, result.resultKey, result.sha256, result.okRows, result.errRows],
  );
}

function countChunk(
  tx: Queryable,
  job: JobRecord,
  { chunk, result }: { readonly chunk: ChunkRecord; readonly result: ChunkResult },
): Promise<JobRecord> {
  const set = `succeeded = succeeded + $2, failed = failed + $3, chunks_done = chunks_done + 1, version = version + 1,
    sample_errors = $4::jsonb`;
  const samples = JSON.stringify(withSamples(job.sampleErrors, result.sampleErrors));
  // What an earlier attempt answered is counted already.
  return updateJob(tx, { id: job.id, set, params: [result.okRows - chunk.okRows, result.errRows, samples] });
}
