import {
  type ChunkDispatch,
  type ClaimedChunk,
  type JobRecord,
  JobStore,
  type NewJob,
  inputKey,
  resultKey,
} from '@app/batch-jobs';
import type { JobDatabase, JobStoreOptions, TenantLimits } from '@app/batch-jobs';
import { type TestDatabase, testDatabase } from '@app/testing';

/** Nothing falls due by itself in a test that does not ask for it. */
const OPTIONS: JobStoreOptions = {
  windowChunks: 4,
  leaseMs: 600_000,
  lookAgainMs: 600_000,
  uploadSilenceMs: 600_000,
  resultsKeptMs: 600_000,
  jobsKeptMs: 1_200_000,
};

/** What a job is where a test says nothing else. */
export const A_JOB: NewJob = {
  tenant: 'acme',
  class: 'normal',
  model: 'fraud',
  modelVersion: '7',
  digest: 'sha256:d',
  params: { top_k: 1 },
  metadata: {},
};

const NO_LIMITS: TenantLimits = { activeJobs: 1000, queuedRows: 1e9 };

/** Job records over a database of a test's own. */
export class JobsBench implements AsyncDisposable {
  readonly store: JobStore;

  private constructor(readonly here: TestDatabase) {
    this.store = this.storeWith({});
  }

  static async open(): Promise<JobsBench> {
    return new JobsBench(await testDatabase());
  }

  get db(): JobDatabase {
    return this.here.database.main;
  }

  /** Another process's store, with other options or over another view of the database. */
  storeWith(options: Partial<JobStoreOptions>, db = this.db): JobStore {
    return new JobStore(db, { ...OPTIONS, ...options });
  }

  /** A job that was begun, and still reads its input. */
  async begun(changes: Partial<NewJob> = {}): Promise<JobRecord> {
    const beginning = await this.store.uploads.begin({ ...A_JOB, ...changes }, NO_LIMITS);
    if (beginning.outcome !== 'begun') throw new Error(`It did not begin: ${beginning.outcome}.`);
    return beginning.job;
  }

  /** A queued job with chunks of so many rows. */
  async queued(
    chunkRows: readonly number[],
    changes: Partial<NewJob> = {},
  ): Promise<{ readonly id: string; readonly queue: readonly ChunkDispatch[] }> {
    const { id } = await this.begun(changes);
    await this.store.uploads.addChunks(id, chunksOf(id, chunkRows));
    const total = chunkRows.reduce((sum, rows) => sum + rows, 0);
    const queue = await this.store.uploads.seal({ id, total, bodyHash: 'h' });
    if (!queue) throw new Error('It was not sealed.');
    return { id, queue };
  }

  async job(id: string, tenant = A_JOB.tenant): Promise<JobRecord> {
    const job = await this.store.find(tenant, id);
    if (!job) throw new Error(`There is no ${id}.`);
    return job;
  }

  async claimed(id: string, idx: number, owner = 'w1'): Promise<ClaimedChunk> {
    const claimed = await this.store.leases.claim(id, idx, owner);
    if (!claimed) throw new Error(`Chunk ${idx} was not claimed.`);
    return claimed;
  }

  /** Claims a chunk and commits it with so many failed rows. */
  async ran(id: string, idx: number, errRows = 0): Promise<void> {
    await this.store.leases.commit(resultOf(await this.claimed(id, idx), errRows));
  }

  /** Lets the time pass at which somebody has to look at a chunk, where there is one. */
  async makeDue(id: string, idx: number): Promise<void> {
    const sql = `update job_chunk set due_at = now() - interval '1 second'
      where job_id = $1 and idx = $2 and due_at is not null`;
    await this.db.query(sql, [id, idx]);
  }

  /** What one value of a query is. */
  async value<T>(sql: string, ...params: readonly unknown[]): Promise<T> {
    const { rows } = await this.db.query<Record<string, T>>(sql, params);
    return Object.values(rows[0] ?? {})[0];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.here.close();
  }
}

/** What a worker would commit. */
export function resultOf({ chunk }: ClaimedChunk, errRows = 0) {
  const { jobId, idx, epoch, rows, firstRow } = chunk;
  const error = { code: 'invalid_input', message: 'No.' };
  const sampleErrors = Array.from({ length: Math.min(errRows, 20) }, (_, at) => ({
    index: firstRow + at,
    id: `r${firstRow + at}`,
    error,
  }));
  const key = resultKey({ jobId, idx, epoch });
  return { jobId, idx, epoch, resultKey: key, sha256: `s${epoch}`, okRows: rows - errRows, errRows, sampleErrors };
}

export function chunksOf(id: string, chunkRows: readonly number[]) {
  let firstRow = 0;
  return chunkRows.map((rows, idx) => {
    const chunk = { idx, firstRow, rows, inputKey: inputKey(id, idx) };
    firstRow += rows;
    return chunk;
  });
}
