import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { embeddedUrl } from '@app/database';
import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { Client } from 'pg';
import { RedisServer, hasRedisServer } from '../integration/redis-server';
import { JobClient, type JobJson, type ResultLine } from '../e2e/job-client';
import { postgresProcesses } from '../e2e/processes';
import { ServerProcess } from '../e2e/server-process';

/** Where the queue of jobs can be. Redis only where there is one. */
export const QUEUE_PLACES = ['PostgreSQL', ...(hasRedisServer() ? ['Redis'] : [])];

/** How much each row keeps an executor busy: some milliseconds. No two rows have the same answer. */
const ROWS = Array.from({ length: 320 }, (_, at) => ({ trips: [40 + at] }));
/** Keeps an executor busy for about a second. */
const LONG = 50_000;
/** As few rows as a chunk may have. */
export const CHUNK_ROWS = 64;
const MODEL = 'slow';

/** A chunk as the records have it. */
export interface ChunkRow {
  readonly idx: number;
  readonly status: string;
  readonly owner: string | null;
  readonly epoch: number;
  readonly dispatch: number;
  readonly failures: number;
  readonly crashes: number;
}

/** How a fleet is made. */
export interface FleetOptions {
  readonly queue: string;
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * A server with two workers, its own PostgreSQL and, if the queue is there, a Redis: whole processes, to be killed, frozen and robbed.
 * Its rows are cut into chunks of 64, each some 200 ms of work.
 */
export class JobFleet implements AsyncDisposable {
  private readonly helpers: ServerProcess[] = [];
  private reference: readonly unknown[] = [];
  private digest = '';

  private constructor(
    private readonly settings: Readonly<Record<string, string>> & { readonly DATA_DIR: string },
    private readonly redis: RedisServer | undefined,
    public server: ServerProcess,
  ) {}

  /** One that takes jobs and runs them. */
  static async start({ queue, settings: own = {} }: FleetOptions): Promise<JobFleet> {
    const folder = await temporaryDirectory();
    const models = join(folder, 'models');
    // One row a batch: a batch would take as long as its slowest row.
    await writeModel(models, { name: MODEL, model: tiny.slow(), manifest: 'task: tensors\nbatching:\n  mode: off\n' });
    const redis = queue === 'Redis' ? await RedisServer.start() : undefined;
    const settings = {
      ...{ MODEL_DIR: models, DATA_DIR: join(folder, 'data'), DATABASE_URL: '' },
      ...{ HTTP_PROCESSES: '1', JOB_WORKERS: '2', JOB_CONCURRENCY: '1', EXECUTOR_COUNT: '1', JOB_CHUNK_SECONDS: '1' },
      ...(redis && { REDIS_URL: redis.url }),
      ...own,
    };
    const fleet = new JobFleet(settings, redis, await ServerProcess.start(settings));
    await fleet.opened();
    return fleet;
  }

  /** Where the server listens. */
  url = '';

  get client(): JobClient {
    return new JobClient(this.url);
  }

  /** The processes that may be killed; the supervisor replaces them. */
  get processes(): readonly number[] {
    return [...this.server.httpProcesses, ...this.server.workers];
  }

  /** PostgreSQL and all of its processes. */
  get postgres(): readonly number[] {
    const { postmaster } = this.server;
    if (postmaster === undefined) throw new Error('No PostgreSQL runs.');
    return postgresProcesses(postmaster);
  }

  /** Rows of a job that begin somewhere among all rows, so that no two jobs have the same. */
  rows(count: number, from = 0): readonly object[] {
    return Array.from({ length: count }, (_, at) => ROWS[(from + at) % ROWS.length] ?? {});
  }

  /** Rows of which each takes about a second. */
  longRows(count: number): readonly object[] {
    return Array.from({ length: count }, (_, at) => ({ trips: [LONG + at] }));
  }

  /** Submits rows, and gives the job of the 202. */
  async submit(rows: readonly object[]): Promise<JobJson> {
    await this.keepChunksSmall();
    return this.client.submit(rows, { model: MODEL });
  }

  /** One row to /predict. */
  predict(): Promise<Response> {
    return this.predictions(this.rows(1));
  }

  /** Resolves with the job when it has succeeded with these rows: a line each, in order, equal to what /predict answers. */
  async expectWhole({ id }: JobJson, count: number, from = 0): Promise<void> {
    const ended = await this.client.ended(id);
    expect(ended).toMatchObject({ status: 'succeeded', counts: { succeeded: count, failed: 0, remaining: 0 } });
    this.expectLines(await this.client.results(id), count, from);
  }

  /** That these are the lines of the first rows of a job. */
  expectLines(lines: readonly ResultLine[], count: number, from = 0): void {
    expect(lines).toEqual(
      Array.from({ length: count }, (_, at) => ({
        ...{ index: at, id: `r${at}` },
        output: this.reference[(from + at) % ROWS.length],
      })),
    );
  }

  /** What the records say of the chunks of a job. */
  async chunks({ id }: JobJson): Promise<readonly ChunkRow[]> {
    const columns = 'idx, status, owner, epoch, dispatch, failures, crashes';
    return this.query<ChunkRow>(`select ${columns} from job_chunk where job_id = $1 order by idx`, [id]);
  }

  /** Resolves when so many chunks of a job run at once, and as many have ended as is said. */
  async running(job: JobJson, { running = 1, done = 0 } = {}): Promise<void> {
    await eventually(async () => {
      const statuses = (await this.chunks(job)).map(({ status }) => status);
      const count = (status: string): number => statuses.filter((each) => each === status).length;
      return count('running') >= running && count('done') >= done;
    });
  }

  /** One statement on a connection of its own. */
  async query<Row extends object>(sql: string, params: readonly unknown[] = []): Promise<readonly Row[]> {
    const client = new Client({ connectionString: embeddedUrl(this.settings.DATA_DIR) });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('set search_path to quayside, public');
      return (await client.query<Row>(sql, [...params])).rows;
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** Loses all that is queued. */
  async loseQueue(): Promise<void> {
    if (this.redis) await this.redis.ask('FLUSHALL');
    else await this.query('drop schema quayside_jobs cascade');
  }

  /** Ends every connection to PostgreSQL but this one. */
  async loseConnections(): Promise<void> {
    const others = "backend_type = 'client backend' and pid <> pg_backend_pid()";
    await this.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${others}`);
  }

  /** A further worker; `NODE_OPTIONS` and the like may be its own. */
  async worker(settings: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
    const worker = await ServerProcess.worker({ ...this.settings, ...settings });
    this.helpers.push(worker);
    await worker.logged('worker_ready');
    return worker;
  }

  /** The result files that there are for a job, named or not. */
  async resultFiles({ id }: JobJson): Promise<readonly string[]> {
    return (await readdir(join(this.settings.DATA_DIR, 'blobs/jobs', id, 'out'))).toSorted();
  }

  /** Starts it again after it has ended. */
  async startAgain(): Promise<void> {
    this.server = await ServerProcess.start(this.settings);
    await this.opened();
  }

  /** Ends the server at once. */
  async stop(): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const helper of this.helpers) await helper[Symbol.asyncDispose]();
    await this.stop();
    await this.redis?.[Symbol.asyncDispose]();
  }

  private async opened(): Promise<void> {
    this.url = await this.server.ready();
    await this.server.logged('database_up');
    await this.server.logged('worker_process_ready', { times: Number(this.settings['JOB_WORKERS']) });
    if (this.reference.length > 0) return;
    const nothing = await eventually(() => this.client.submit([], { model: MODEL }));
    this.digest = nothing.model.digest.replace('sha256:', '');
    const answer = (await (await this.predictions(ROWS)).json()) as { readonly rows: readonly unknown[] };
    this.reference = answer.rows;
    expect(this.reference).toHaveLength(ROWS.length);
  }

  private predictions(rows: readonly object[]): Promise<Response> {
    return fetch(`${this.url}/v1/models/${MODEL}/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ rows }),
    });
  }

  /** As if the model did one row a second: the workers have measured it meanwhile. */
  private async keepChunksSmall(): Promise<void> {
    const slow = 'on conflict (digest) do update set rows_per_second = excluded.rows_per_second';
    await this.query(`insert into model_rate (digest, rows_per_second) values ($1, 1) ${slow}`, [this.digest]);
  }
}
