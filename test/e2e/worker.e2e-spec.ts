import { join } from 'node:path';
import { type TestDatabase, eventually, temporaryDirectory, testDatabase, tiny, writeModel } from '@app/testing';
import { JobClient, type ResultLine } from './job-client';
import { childrenOf, isAlive, niceOf } from './processes';
import { ServerProcess } from './server-process';

/** Rows that each keep an executor for at least so many products of matrices, and differ from each other. */
const rows = (count: number, trips: number): readonly object[] =>
  Array.from({ length: count }, (_, at) => ({ trips: [trips + at] }));
/** Some milliseconds. */
const BRIEF = 100;
/** Longer than any stop may take here, for a chunk of some dozens. */
const LONG = 50_000;

jest.setTimeout(180_000);

let models: string;
let here: TestDatabase;
let settings: Readonly<Record<string, string>>;

beforeEach(async () => {
  const folder = await temporaryDirectory();
  models = join(folder, 'models');
  // One row a batch: a batch would take as long as its slowest row.
  await writeModel(models, { name: 'slow', model: tiny.slow(), manifest: 'task: tensors\nbatching:\n  mode: off\n' });
  here = await testDatabase();
  settings = {
    ...{ MODEL_DIR: models, DATA_DIR: join(folder, 'data'), DATABASE_URL: here.url },
    ...{
      HTTP_PROCESSES: '1',
      EXECUTOR_COUNT: '2',
      JOB_WORKERS: '1',
      JOB_RECONCILE_MS: '200',
      JOB_LOOK_AGAIN_MS: '1000',
    },
  };
});
afterEach(() => here.close());

/** A client of a server that takes jobs. */
async function clientOf(server: ServerProcess): Promise<JobClient> {
  await server.logged('database_up');
  return new JobClient(await server.ready());
}

/** What the records say of the chunks of a job. */
async function chunksOf(id: string): Promise<readonly Record<string, unknown>[]> {
  const sql = 'select status, crashes, failures, owner from job_chunk where job_id = $1 order by idx';
  return (await here.database.main.query<Record<string, unknown>>(sql, [id])).rows;
}

/** Resolves when a chunk of each job runs. */
async function running(...ids: readonly string[]): Promise<void> {
  for (const id of ids) await eventually(async () => (await chunksOf(id)).some(({ status }) => status === 'running'));
}

function expectAll(lines: readonly ResultLine[], count: number): void {
  const outputs = lines.map(({ index, output }) => [index, output]);
  expect(outputs).toEqual(Array.from({ length: count }, (_, at) => [at, { done: [BRIEF + at] }]));
}

describe('a worker of the server', () => {
  it('is replaced when it is killed in the middle of a chunk, and no row is lost or doubled', async () => {
    await using server = await ServerProcess.start({ ...settings, JOB_LEASE_MS: '5000', JOB_HEARTBEAT_MS: '500' });
    const client = await clientOf(server);
    const job = await client.submit(rows(300, BRIEF), { model: 'slow' });
    await running(job.id);
    const [victim = 0] = server.workers;
    process.kill(victim, 'SIGKILL');
    expect(await server.logged('worker_process_ended')).toMatchObject({ child_pid: victim, signal: 'SIGKILL' });
    const ended = await client.ended(job.id);
    expect(ended).toMatchObject({ status: 'succeeded', counts: { succeeded: 300, failed: 0, remaining: 0 } });
    expectAll(await client.results(job.id), 300);
    expect(server.workers).not.toContain(victim);
    expect(server.lines.filter(({ event }) => event === 'http_process_ended')).toEqual([]);
  });

  it('gives way to everybody else, and holds no model before a job needs one', async () => {
    await using server = await ServerProcess.start(settings);
    const client = await clientOf(server);
    const worker = Number((await server.logged('worker_process_ready'))['child_pid']);
    expect(childrenOf(worker, 'executor')).toEqual([]);
    const job = await client.submit(rows(20, BRIEF), { model: 'slow' });
    expectAll((await client.ended(job.id)) && (await client.results(job.id)), 20);
    const executors = childrenOf(worker, 'executor');
    expect(executors.length).toBeGreaterThan(0);
    expect([worker, ...executors].map((pid) => niceOf(pid))).toEqual([worker, ...executors].map(() => 19));
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'finishes on %s what ends in time, gives back the rest without counting a crash, and ends in order',
    async (signal) => {
      await using server = await ServerProcess.start({ ...settings, SHUTDOWN_TIMEOUT_MS: '15000' });
      const client = await clientOf(server);
      const long = await client.submit(rows(64, LONG), { model: 'slow' });
      const brief = await client.submit(rows(8, BRIEF), { model: 'slow' });
      await running(long.id);
      server.signalGroup(signal);
      const exit = await server.exited;
      expect([exit, server.complaint]).toEqual([{ code: 0, signal: null }, '']);
      expect(await chunksOf(long.id)).toEqual([{ status: 'pending', crashes: 0, failures: 0, owner: null }]);
      const [chunk] = await chunksOf(brief.id);
      expect(chunk).toMatchObject({ crashes: 0, failures: 0, owner: null });
      expect(server.lines.filter(({ event }) => event === 'shutdown_step_failed')).toEqual([]);
      expect(server.lines.at(-1)).toMatchObject({ event: 'shutdown_complete', proc: 0 });
    },
  );

  it('is replaced on SIGHUP, and its jobs go on', async () => {
    await using server = await ServerProcess.start(settings);
    const client = await clientOf(server);
    await server.logged('worker_process_ready');
    const [old = 0] = server.workers;
    const job = await client.submit(rows(200, BRIEF), { model: 'slow' });
    server.signal('SIGHUP');
    await server.logged('rolling_restart_complete');
    expect(server.workers).toHaveLength(1);
    expect(server.workers).not.toContain(old);
    expect(await client.ended(job.id)).toMatchObject({ status: 'succeeded' });
    expectAll(await client.results(job.id), 200);
    expect(await chunksOf(job.id)).toEqual([{ status: 'done', crashes: 0, failures: 0, owner: null }]);
  });

  it('ends with its executors when the supervisor is killed', async () => {
    await using server = await ServerProcess.start(settings);
    const client = await clientOf(server);
    const job = await client.submit(rows(64, LONG), { model: 'slow' });
    await running(job.id);
    const [worker = 0] = server.workers;
    const orphans = [worker, ...childrenOf(worker, 'executor')];
    server.signal('SIGKILL');
    await eventually(() => orphans.every((pid) => !isAlive(pid)));
  });
});

describe('a worker alone', () => {
  it('runs the jobs of a server with which it shares PostgreSQL and files, and stops PostgreSQL as the last to go', async () => {
    const shared = { ...settings, DATABASE_URL: '', HTTP_PROCESSES: '0', JOB_WORKERS: '0' };
    await using server = await ServerProcess.start(shared);
    const client = await clientOf(server);
    await using worker = await ServerProcess.worker(shared);
    await worker.logged('worker_ready');
    const job = await client.submit(rows(20, BRIEF), { model: 'slow' });
    expect(await client.ended(job.id)).toMatchObject({ status: 'succeeded' });
    expectAll(await client.results(job.id), 20);
    server.signal('SIGTERM');
    expect(await server.exited).toMatchObject({ code: 0 });
    expect(server.lines.at(-1)).toMatchObject({ event: 'postgres_left_running' });
    worker.signal('SIGINT');
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(worker.lines.at(-1)).toMatchObject({ event: 'postgres_stopped' });
  });

  it('waits for a database that is not there, and goes away when told', async () => {
    await using worker = await ServerProcess.worker({
      ...settings,
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
    });
    await worker.logged('database_down');
    worker.signal('SIGTERM');
    expect(await worker.exited).toEqual({ code: 0, signal: null });
  });

  it('refuses to run where it cannot read the files of a server, and says what to do', async () => {
    await using server = await ServerProcess.start(settings);
    await clientOf(server);
    await eventually(async () => {
      const { rows: probes } = await here.database.main.query<object>('select from blob_probe');
      return probes.length > 0;
    });
    await using worker = await ServerProcess.worker({ ...settings, BLOB_DIR: await temporaryDirectory() });
    expect(await worker.exited).toEqual({ code: 1, signal: null });
    expect(worker.complaint).toMatch(/^The worker cannot start\. .*BLOB_DIR/);
  });

  it.each([
    ['no database', { DATABASE_URL: 'none' }, 'The worker cannot start. Jobs need a database: DATABASE_URL is none.'],
    ['a wrong setting', { JOB_CONCURRENCY: '0' }, 'The worker cannot start. One setting is wrong:\n  JOB_CONCURRENCY '],
  ])('refuses %s with one sentence', async (_, wrong, sentence) => {
    await using worker = await ServerProcess.worker({ ...settings, ...wrong });
    expect(await worker.exited).toEqual({ code: 1, signal: null });
    expect(worker.complaint).toContain(sentence);
  });
});
