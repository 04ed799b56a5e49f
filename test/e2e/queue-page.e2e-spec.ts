import { hostname } from 'node:os';
import { JobQueue, JobStore, type JobStoreOptions, assertSharedBlobs } from '@app/batch-jobs';
import { FolderBlobStore } from '@app/blob-store';
import { type TestDatabase, eventually, temporaryDirectory, testDatabase } from '@app/testing';
import { RedisServer, hasRedisServer } from '../integration/redis-server';
import { Door, outcome } from './door';

/** Where the queue is: its settings, and what ends it. */
interface Backend extends AsyncDisposable {
  readonly settings: Readonly<Record<string, string>>;
  /** Loses the queue, so that nothing of it can be read. */
  lose(): Promise<void>;
}

async function onPostgres(): Promise<Backend> {
  const here: TestDatabase = await testDatabase();
  return {
    settings: { DATABASE_URL: here.url },
    lose: async () => void (await here.database.main.query('drop schema quayside_jobs cascade')),
    [Symbol.asyncDispose]: () => here.close(),
  };
}

async function onRedis(): Promise<Backend> {
  const here = await testDatabase();
  const server = await RedisServer.start();
  return {
    settings: { DATABASE_URL: here.url, REDIS_URL: server.url },
    lose: () => Promise.resolve(server.freeze()),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await here.close();
    },
  };
}

const BACKENDS = [['PostgreSQL', onPostgres], ...(hasRedisServer() ? ([['Redis', onRedis]] as const) : [])] as const;
const JOB = `job_${'a'.repeat(32)}`;
const CHUNKS = [
  { jobId: JOB, idx: 0, dispatch: 0, class: 'normal' },
  { jobId: JOB, idx: 1, dispatch: 3, class: 'high' },
] as const;

describe.each(BACKENDS)('the page of the queue on %s', (_, open) => {
  let backend: Backend;
  let door: Door;
  beforeAll(async () => {
    backend = await open();
    door = await Door.open({ settings: backend.settings });
    const queue = door.server.app.get(JobQueue);
    await queue.whenOpen();
    await queue.add(CHUNKS);
  });
  afterAll(async () => {
    await door.close();
    await backend[Symbol.asyncDispose]();
  });

  const read = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${door.url}/admin/queues${path}`, init);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };

  it('comes with all that it needs from this server, and may load nothing else', async () => {
    const page = await read('/');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
    expect(page.text).toContain('<base href="/admin/queues/"');
    const policy = page.headers.get('content-security-policy') ?? '';
    for (const rule of ["default-src 'none'", "script-src 'self'", "base-uri 'self'", "connect-src 'self'"])
      expect(policy).toContain(rule);
    const sources = [...page.text.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, path]) => path ?? '');
    expect(sources.length).toBeGreaterThan(4);
    for (const source of sources) expect((await read(`/${source}`)).status).toBe(200);
    // What a script of the page holds is data.
    expect([...page.text.matchAll(/<script(?![^>]*src=)[^>]*>/g)].map(([tag]) => tag)).toEqual([
      '<script id="__UI_CONFIG__" type="application/json">',
    ]);
  });

  it('is found without the slash, and under the path of a queue', async () => {
    expect((await read('')).status).toBe(200);
    expect((await read('/queue/chunks')).text).toContain('<base href="/admin/queues/"');
  });

  it('tells nothing of what it is made of', async () => {
    for (const path of ['/', '/api/queues', '/nothing', '/static/favicon.ico']) {
      const { headers } = await read(path);
      expect(headers.has('x-powered-by')).toBe(false);
      expect([headers.has('x-request-id'), headers.get('x-content-type-options')]).toEqual([true, 'nosniff']);
    }
    expect((await read('/api/queues')).headers.has('etag')).toBe(false);
  });

  it('shows what waits: the ids, and nothing else of a job', async () => {
    const { queues } = JSON.parse((await read('/api/queues?activeQueue=chunks&status=prioritized')).text) as {
      queues: readonly { name: string; readOnlyMode: boolean; counts: object; jobs: readonly { id: string }[] }[];
    };
    expect(queues).toHaveLength(1);
    expect(queues[0]).toMatchObject({ name: 'chunks', readOnlyMode: true, counts: { prioritized: 2 } });
    expect(queues[0]?.jobs.map((job) => job.id).sort()).toEqual([`${JOB}-0-0`, `${JOB}-1-3`]);
    const job = JSON.parse((await read(`/api/queues/chunks/${JOB}-1-3`)).text) as { job: { data: unknown } };
    expect(job.job.data).toEqual({ jobId: JOB, idx: 1 });
  });

  it('tells how the server of the queue is', async () => {
    expect((await read('/api/redis/stats')).status).toBe(200);
    expect((await read('/api/queues/chunks/workers')).status).toBe(200);
  });

  it.each([
    ['PUT', '/api/queues/pause'],
    ['PUT', '/api/queues/chunks/pause'],
    ['PUT', '/api/queues/chunks/empty'],
    ['PUT', '/api/queues/chunks/obliterate'],
    ['PUT', '/api/queues/chunks/clean/prioritized'],
    ['POST', '/api/queues/chunks/add'],
    ['PUT', `/api/queues/chunks/${JOB}-0-0/clean`],
    ['PATCH', `/api/queues/chunks/${JOB}-0-0/update-data`],
    ['DELETE', '/api/queues/chunks'],
    ['OPTIONS', '/'],
  ])('takes no %s %s', async (method, path) => {
    const answer = await read(path, { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'method_not_allowed' } });
    expect(await door.server.app.get(JobQueue).queue?.getJobCountByTypes('prioritized')).toBe(2);
    expect(await door.server.app.get(JobQueue).queue?.isPaused()).toBe(false);
  });

  it('answers HEAD, and as everywhere where there is nothing', async () => {
    expect(await read('/', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
    expect(JSON.parse((await read('/nothing')).text)).toMatchObject({ error: { code: 'route_not_found' } });
    expect((await read('/api/queues/other/metrics')).status).toBe(404);
  });

  it('is refused to who calls the server by another name, or from beyond a proxy', async () => {
    const answer = await read('/', { headers: { 'X-Forwarded-For': '203.0.113.7' } });
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'invalid_request' } });
  });

  it('says that it cannot be had when the queue is lost, or closed, and does not tell why', async () => {
    await backend.lose();
    const lost = await read('/api/queues');
    await door.server.app.get(JobQueue).close();
    const closed = await read('/');
    for (const answer of [lost, closed]) {
      expect([answer.status, answer.headers.has('retry-after')]).toEqual([503, true]);
      expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'not_ready' } });
      expect(answer.text).not.toMatch(/quayside_jobs|relation|redis/i);
    }
  });
});

describe('the page of the queue', () => {
  it('cannot be had before there is a queue', async () => {
    await using door = await Door.open();
    const answer = await fetch(`${door.url}/admin/queues/`);
    expect([answer.status, await answer.json()]).toMatchObject([503, { error: { code: 'not_ready' } }]);
  });

  it('is for programs of this host alone, and so is the backlog', async () => {
    await using door = await Door.open({ settings: { HTTP_HOST: '0.0.0.0' } });
    const page = await fetch(`${door.url}/admin/queues/api/queues`);
    expect([page.status, await page.json()]).toMatchObject([400, { error: { details: [{ code: 'not_loopback' }] } }]);
    expect(outcome(await door.send('/internal/scale'))).toBe('400 invalid_request');
  });
});

describe('a process that serves HTTP', () => {
  it('says as long as it runs that it writes files, for workers to see whether they can read them', async () => {
    await using here = await testDatabase();
    const [one, other] = [await temporaryDirectory(), await temporaryDirectory()];
    const store = new JobStore(here.database.main, {} as JobStoreOptions);
    const door = await Door.open({ settings: { DATABASE_URL: here.url, BLOB_DIR: one } });
    await eventually(async () => expect(await store.probes.running()).toMatchObject([{ host: hostname() }]));
    await assertSharedBlobs(store, new FolderBlobStore(one));
    await expect(assertSharedBlobs(store, new FolderBlobStore(other))).rejects.toThrow(hostname());
    await door.close();
    expect(await store.probes.running()).toEqual([]);
    await assertSharedBlobs(store, new FolderBlobStore(other));
  });
});

describe('GET /internal/scale', () => {
  it('adds up what is left of every job, by the rate of its model', async () => {
    await using here = await testDatabase();
    await using door = await Door.open({ settings: { DATABASE_URL: here.url } });
    const scale = async () => (await door.send('/internal/scale')).body;
    await eventually(async () => expect(await scale()).toEqual({ backlog_seconds: 0 }));
    await here.database.main.query("insert into model_rate (digest, rows_per_second) values ('fast', 1000)");
    const job = (id: string, values: string) =>
      here.database.main.query(
        `insert into job (id, tenant, class, model, model_version, params, metadata, status, digest, total, succeeded, failed)
         values ('${id}', '', 1, 'm', '1', '{}', '{}', ${values})`,
      );
    await job('a', "'running', 'fast', 10000, 3990, 10");
    await job('b', "'queued', 'fast', 500, 0, 0");
    await job('c', "'queued', 'unknown', 50, 0, 0");
    await job('d', "'succeeded', 'fast', 9, 9, 0");
    await job('e', "'cancelling', 'fast', 9000, 0, 0");
    expect(await scale()).toEqual({ backlog_seconds: 7 });
  });
});
