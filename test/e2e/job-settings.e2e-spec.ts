import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Database } from '@app/database';
import { type TestDatabase, eventually, temporaryDirectory, testDatabase, tiny, writeModel } from '@app/testing';
import { Door, outcome } from './door';
import { JobClient } from './job-client';
import { ServerProcess } from './server-process';

jest.setTimeout(180_000);

const rows = (count: number): readonly object[] => Array.from({ length: count }, (_, at) => ({ x: [at] }));
const lines = (count: number): string =>
  rows(count)
    .map((row) => `${JSON.stringify(row)}\n`)
    .join('');
const echo = { ...tiny.identity('FP32'), manifest: 'task: tensors' };

let here: TestDatabase;
beforeEach(async () => {
  here = await testDatabase();
});
afterEach(() => here.close());

const one = async <Row>(sql: string, params: readonly unknown[] = []): Promise<Row | undefined> =>
  (await here.database.main.query<Row>(sql, params)).rows[0];

describe('settings of how jobs are taken are obeyed:', () => {
  async function doorWith(settings: Record<string, string>): Promise<Door> {
    const door = await Door.open({ models: { echo }, settings: { DATABASE_URL: here.url, ...settings } });
    await door.server.app.get(Database).whenUp();
    return door;
  }
  const upload = (door: Door, count: number) =>
    door.post('/v1/jobs?model=echo', lines(count), { 'Content-Type': 'application/x-ndjson' });
  const chunksOf = ({ body }: { readonly body: unknown }) =>
    one<{ chunks: number; enqueued_to: number; digest: string }>('select * from job where id = $1', [
      (body as { readonly id: string }).id,
    ]);

  it('JOB_NAMESPACE', async () => {
    await using door = await doorWith({ JOB_NAMESPACE: 'our_jobs' });
    expect((await upload(door, 1)).status).toBe(202);
    await eventually(async () =>
      expect(await one("select from pg_namespace where nspname = 'our_jobs'")).toBeDefined(),
    );
  });

  it('JOB_CHUNK_WINDOW', async () => {
    await using door = await doorWith({ JOB_CHUNK_WINDOW: '2' });
    expect(await chunksOf(await upload(door, 4000))).toMatchObject({ chunks: 4, enqueued_to: 2 });
  });

  it('JOB_CHUNK_SECONDS', async () => {
    await using door = await doorWith({ JOB_CHUNK_SECONDS: '2' });
    const first = await chunksOf(await upload(door, 1));
    await here.database.main.query('insert into model_rate (digest, rows_per_second) values ($1, 100)', [
      first?.digest,
    ]);
    expect(await chunksOf(await upload(door, 1000))).toMatchObject({ chunks: 5 });
  });

  it('JOB_BODY_LIMIT_BYTES', async () => {
    await using door = await doorWith({ JOB_BODY_LIMIT_BYTES: '1024' });
    const submit = (count: number) => door.post('/v1/jobs', { model: 'echo', rows: rows(count) });
    expect((await submit(10)).status).toBe(202);
    expect(outcome(await submit(200))).toBe('413 body_too_large');
  });

  it('JOB_MAX_QUEUED_ROWS', async () => {
    await using door = await doorWith({ JOB_MAX_QUEUED_ROWS: '10' });
    for (let job = 0; job < 2; job += 1) expect((await upload(door, 6)).status).toBe(202);
    expect(outcome(await upload(door, 1))).toBe('429 too_many_jobs');
  });
});

/** Takes one message, and gives what it said of itself. */
async function receiver() {
  const message = Promise.withResolvers<{ headers: IncomingHttpHeaders; body: string }>();
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      message.resolve({ headers: request.headers, body });
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { host: `127.0.0.1:${port}`, message: message.promise, close: () => server.close() };
}

describe('settings of what looks after jobs are obeyed:', () => {
  let folder: string;
  let settings: Readonly<Record<string, string>>;
  beforeEach(async () => {
    folder = await temporaryDirectory();
    await writeModel(join(folder, 'models'), { name: 'echo', model: echo, manifest: echo.manifest });
    settings = {
      ...{ MODEL_DIR: join(folder, 'models'), DATA_DIR: join(folder, 'data'), BLOB_DIR: join(folder, 'blobs') },
      ...{ DATABASE_URL: here.url, EXECUTOR_COUNT: '1', JOB_RECONCILE_MS: '100', JOB_LOOK_AGAIN_MS: '500' },
    };
  });

  it('JOB_WEBHOOK_SECRET and JOB_WEBHOOK_ALLOW_HOSTS', async () => {
    const hook = await receiver();
    await using server = await ServerProcess.start({
      ...settings,
      ...{ HTTP_PROCESSES: '1', JOB_WORKERS: '1' },
      JOB_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
      JOB_WEBHOOK_ALLOW_HOSTS: hook.host,
    });
    await server.logged('database_up');
    const client = new JobClient(await server.ready());
    const job = await client.submit(rows(3), { model: 'echo', webhook_url: `http://${hook.host}/done` });
    const { headers, body } = await hook.message;
    hook.close();
    expect(headers['webhook-signature']).toMatch(/^v1,/);
    expect(JSON.parse(body)).toMatchObject({ type: 'job.succeeded', data: { id: job.id } });
  });

  it('JOB_UPLOAD_SILENCE_MS', async () => {
    const server = await ServerProcess.start(settings);
    await server.logged('database_up');
    const { port } = new URL(await server.ready());
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    const head = 'POST /v1/jobs?model=echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson';
    socket.write(`${head}\r\nContent-Length: 1000\r\n\r\n{"x":[1]}\n`);
    await eventually(async () => (await one("select from job where status = 'validating'")) !== undefined);
    await server[Symbol.asyncDispose]();
    socket.destroy();
    await using _worker = await ServerProcess.worker({ ...settings, JOB_UPLOAD_SILENCE_MS: '500' });
    await eventually(async () => expect(await one('select * from job')).toMatchObject({ status: 'failed' }));
  });

  it('JOB_RETENTION_MS and JOB_ORPHAN_AGE_MS', async () => {
    const orphans = join(folder, 'blobs', 'jobs', `job_${'0'.repeat(32)}`, 'in');
    mkdirSync(orphans, { recursive: true });
    writeFileSync(join(orphans, '0.jsonl'), '');
    await using server = await ServerProcess.start({
      ...settings,
      ...{ HTTP_PROCESSES: '1', JOB_WORKERS: '1', JOB_ORPHAN_AGE_MS: '100' },
      ...{ JOB_RESULTS_RETENTION_MS: '1000', JOB_RETENTION_MS: '1000' },
    });
    await server.logged('database_up');
    const client = new JobClient(await server.ready());
    await client.submit(rows(3), { model: 'echo' });
    await eventually(async () => (await one('select from job')) === undefined);
    await eventually(() => !existsSync(join(orphans, '0.jsonl')));
  });
});
