import { Database } from '@app/database';
import { type TestDatabase, eventually, testDatabase, tiny } from '@app/testing';
import type { JobJson, ResultLine } from './job-client';
import { type Answer, Door, type DoorOptions, errorOf, outcome } from './door';
import { HandWorker } from './hand-worker';

type Job = JobJson & {
  readonly progress: { readonly eta_seconds: number | null };
  readonly sample_errors: readonly { readonly index: number; readonly error: { readonly code: string } }[];
  readonly links: { readonly self: string; readonly results: string };
};

let here: TestDatabase;
let door: Door;
let worker: HandWorker;

async function close(): Promise<void> {
  await door.close();
  await here.close();
}

async function open({ settings, ...options }: DoorOptions = {}): Promise<void> {
  here = await testDatabase();
  door = await Door.open({
    models: { echo: { ...tiny.identity('FP32'), manifest: 'task: tensors' } },
    settings: { DATABASE_URL: here.url, ...settings },
    ...options,
  });
  await door.server.app.get(Database).whenUp();
  worker = new HandWorker(door);
}

const rows = (count: number) => Array.from({ length: count }, (_, at) => ({ x: [at] }));
const submit = (body: object, headers: Record<string, string> = {}) =>
  door.post('/v1/jobs', { model: 'echo', ...body }, headers);
const jobOf = ({ body }: Answer) => body as Job;
/** A job that was taken. */
async function submitted(body: object): Promise<Job> {
  const answer = await submit(body);
  expect(answer.status).toBe(202);
  return jobOf(answer);
}
const show = async ({ id }: Job) => jobOf(await door.send(`/v1/jobs/${id}`));
const act = (job: Job, what: 'cancel' | 'retry') => door.send(`/v1/jobs/${job.id}/${what}`, { method: 'POST' });
const results = ({ links }: Job, query = '') => door.send(links.results + query);
const linesOf = ({ text }: Answer) =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ResultLine);
const indexes = (answer: Answer) => linesOf(answer).map(({ index }) => index);
const about = ({ headers }: Answer) =>
  ['X-Job-Status', 'X-Results-Complete'].map((name) => headers.get(name)).join(' ');
const cursor = ({ headers }: Answer) => headers.get('X-Next-Cursor') ?? '';

describe('a job', () => {
  beforeEach(() => open());
  afterEach(close);

  it('is taken with 202, and ends with the same answers as /predict gives', async () => {
    const answer = await submit({ rows: rows(3), metadata: { team: 'a' }, options: { nonfinite: 'null' } });
    const job = jobOf(answer);
    expect(answer.status).toBe(202);
    expect(answer.headers.get('Location')).toBe(job.links.self);
    expect(answer.headers.get('ETag')).toBe(`"${job.version}"`);
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThanOrEqual(1);
    expect(job).toMatchObject({
      status: 'queued',
      attempt: 1,
      priority: 'normal',
      model: { name: 'echo', version: '1', digest: expect.stringMatching(/^sha256:/) },
      metadata: { team: 'a' },
      counts: { total: 3, succeeded: 0, failed: 0, remaining: 3 },
      progress: { percent: 0 },
      started_at: null,
    });

    await worker.run();
    const ended = await door.send(job.links.self);
    expect(ended.headers.get('Retry-After')).toBeNull();
    expect(jobOf(ended)).toMatchObject({
      status: 'succeeded',
      counts: { total: 3, succeeded: 3, failed: 0, remaining: 0 },
      progress: { percent: 100 },
      finished_at: expect.any(String),
      results_expire_at: expect.any(String),
    });
    const online = await door.post('/v1/models/echo/predict', { rows: rows(3) });
    const lines = await results(job);
    expect(about(lines)).toBe('succeeded true');
    expect(linesOf(lines)).toEqual(
      (online.body as { readonly rows: readonly unknown[] }).rows.map((output, index) => ({
        index,
        id: `r${index}`,
        output,
      })),
    );
  });

  it('gives results while it runs: the finished prefix, and the rest from the cursor on', async () => {
    const job = await submitted({ rows: rows(2500) });
    const none = await results(job);
    expect([about(none), none.text]).toEqual(['queued false', '']);

    await worker.run(1);
    const first = await results(job, `?after=${cursor(none)}`);
    expect(about(first)).toBe('running false');
    expect(await show(job)).toMatchObject({
      status: 'running',
      counts: { succeeded: 1000 },
      progress: { percent: 40 },
    });

    await worker.run();
    const rest = await results(job, `?after=${cursor(first)}`);
    expect([about(rest), indexes(first).length]).toEqual(['succeeded true', 1000]);
    const whole = await results(job);
    expect(first.text + rest.text).toBe(whole.text);
    expect(indexes(whole)).toEqual(rows(2500).map((_, at) => at));
  });

  it('gives results in pages', async () => {
    const job = await submitted({ rows: rows(10) });
    await worker.run();
    const pages = [];
    for (let page = await results(job, '?limit=4'); ; page = await results(job, `?limit=4&after=${cursor(page)}`)) {
      pages.push(page);
      if (page.headers.get('X-Results-Complete') === 'true') break;
    }
    expect(pages.map(indexes)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
    const strange = await results(job, '?after=mine');
    expect(errorOf(strange)).toMatchObject({ code: 'invalid_request', details: [{ field: 'after' }] });
  });

  it('shows failed rows, and runs them again when it is told to', async () => {
    const job = await submitted({ rows: [{ x: [1] }, { x: ['a'] }, 7, { x: [4] }] });
    await worker.run();
    const ended = await show(job);
    expect(ended).toMatchObject({ status: 'succeeded', counts: { succeeded: 2, failed: 2, remaining: 0 } });
    expect(ended.sample_errors.map(({ index, error }) => [index, error.code])).toEqual([
      [1, 'invalid_input'],
      [2, 'invalid_input'],
    ]);
    const failed = await results(job, '?only=errors');
    expect(linesOf(failed)).toMatchObject([
      { index: 1, id: 'r1', error: { code: 'invalid_input', details: [{ code: expect.any(String) }] } },
      { index: 2, id: 'r2', error: { code: 'invalid_input' } },
    ]);

    const again = await act(job, 'retry');
    expect(again.status).toBe(202);
    expect(jobOf(again)).toMatchObject({
      status: 'queued',
      attempt: 2,
      counts: { succeeded: 2, failed: 0, remaining: 2 },
    });
    await worker.run();
    expect(await show(job)).toMatchObject({ status: 'succeeded', attempt: 2, counts: { failed: 2 } });
    expect(indexes(await results(job))).toEqual([0, 1, 2, 3]);
  });

  it('names a part that was given up, whose rows are chunk_failed', async () => {
    const job = await submitted({ rows: rows(1001) });
    await worker.store.leases.claim(job.id, 1, 'nobody');
    await worker.giveUp(job.id);
    const { body } = await door.send('/v1/admin/dead-chunks');
    expect(body).toEqual({
      object: 'list',
      data: [expect.objectContaining({ job_id: job.id, index: 0, first_row: 0, rows: 1000, failures: 8 })],
      next_cursor: null,
    });
    const [first] = linesOf(await results(job, '?limit=1'));
    expect(first).toMatchObject({ index: 0, id: 'r0', error: { code: 'chunk_failed' } });
  });

  it('is cancelled, once or twice, keeps what was finished, and can then be deleted', async () => {
    const job = await submitted({ rows: rows(1500) });
    await worker.run(1);
    expect(outcome(await door.send(job.links.self, { method: 'DELETE' }))).toBe('409 job_not_ended');
    for (const _ of ['once', 'twice']) {
      const answer = await act(job, 'cancel');
      expect([answer.status, jobOf(answer).status]).toEqual([202, 'cancelled']);
    }
    await worker.run();
    expect(indexes(await results(job))).toHaveLength(1000);

    const deleted = await door.send(job.links.self, { method: 'DELETE' });
    expect(deleted.body).toEqual({ id: job.id, object: 'job', deleted: true });
    for (const path of [job.links.self, job.links.results])
      expect(outcome(await door.send(path))).toBe('404 job_not_found');
    expect(outcome(await door.send(job.links.self, { method: 'DELETE' }))).toBe('404 job_not_found');
  });

  it('answers 304 as long as it is what the client knows', async () => {
    const job = await submitted({ rows: rows(1) });
    const tag = (await door.send(job.links.self)).headers.get('ETag') ?? '';
    const ask = (known: string) => door.send(job.links.self, { headers: { 'If-None-Match': known } });
    for (const known of [tag, `W/${tag}`, `"0", ${tag}`, '*']) {
      const answer = await ask(known);
      expect([answer.status, answer.text, answer.headers.get('ETag')]).toEqual([304, '', tag]);
    }
    await worker.run();
    const changed = await ask(tag);
    expect(changed.status).toBe(200);
    expect(changed.headers.get('ETag')).not.toBe(tag);
  });

  it('lets a client wait for a change, and not for one that cannot come', async () => {
    const job = await submitted({ rows: rows(1) });
    const waiting = door.send(`${job.links.self}?wait=60`, { headers: { 'If-None-Match': `"${job.version}"` } });
    await worker.run();
    expect((await waiting).status).toBe(200);
    const ended = await show(job);
    const known = { headers: { 'If-None-Match': `"${ended.version}"` } };
    expect((await door.send(`${job.links.self}?wait=60`, known)).status).toBe(304);
    expect((await door.send(`${job.links.self}?wait=60`)).status).toBe(200);
  });

  it('is shown at its end to a client that prefers to wait', async () => {
    const pending = submit({ rows: rows(1) }, { Prefer: 'respond-async, wait=60' });
    await eventually(async () => {
      await worker.run();
      const { body } = await door.send('/v1/jobs?status=succeeded');
      return (body as { readonly data: readonly unknown[] }).data.length === 1;
    });
    const answer = await pending;
    expect([answer.status, jobOf(answer).status]).toEqual([200, 'succeeded']);
    expect(answer.headers.get('Preference-Applied')).toBe('wait');
    for (const prefer of ['wait=1', 'wait=0', 'wait=soon', 'handling=lenient']) {
      const other = await submit({ rows: rows(1) }, { Prefer: prefer });
      expect([other.status, other.headers.get('Preference-Applied')]).toEqual([202, null]);
    }
  });

  it('is the same for a repeat with its key, and another without', async () => {
    const key = { 'Idempotency-Key': 'mine' };
    const [first, repeat] = [await submit({ rows: rows(2) }, key), await submit({ rows: rows(2) }, key)];
    expect([repeat.status, jobOf(repeat).id]).toEqual([202, jobOf(first).id]);
    expect(jobOf(await submit({ rows: rows(2) })).id).not.toBe(jobOf(first).id);
    expect(outcome(await submit({ rows: rows(3) }, key))).toBe('422 idempotency_key_reused');
    const tooLong = await submit({ rows: [] }, { 'Idempotency-Key': 'x'.repeat(256) });
    expect(errorOf(tooLong)).toMatchObject({ code: 'invalid_request', param: 'Idempotency-Key' });
  });

  it('is listed, the newest first, by state and by model, in pages', async () => {
    const jobs = [await submitted({ rows: [] }), await submitted({ rows: rows(1) }), await submitted({ rows: [] })];
    const list = async (query: string) =>
      (await door.send(`/v1/jobs?${query}`)).body as {
        readonly data: readonly Job[];
        readonly next_cursor: string | null;
      };
    const ids = ({ data }: { readonly data: readonly Job[] }) => data.map(({ id }) => id);
    const newestFirst = jobs.map(({ id }) => id).reverse();
    expect(ids(await list(''))).toEqual(newestFirst);
    expect(ids(await list('status=queued'))).toEqual([jobs[1]?.id]);
    expect(ids(await list('model=echo'))).toHaveLength(3);
    expect(ids(await list('model=other'))).toEqual([]);
    const page = await list('limit=2');
    const rest = await list(`limit=2&after=${page.next_cursor}`);
    expect([...ids(page), ...ids(rest)]).toEqual(newestFirst);
    expect(rest.next_cursor).toBeNull();
  });
});

describe('the doors to jobs', () => {
  beforeAll(() => open());
  afterAll(close);

  it.each([
    [{ rows: [] }, 'model'],
    [{ model: 'echo' }, 'rows'],
    [{ model: 'echo', rows: {} }, 'rows'],
    [{ model: 'echo', rows: [], priority: 'highest' }, 'priority'],
    [{ model: 'echo', rows: [], metadata: 'a' }, 'metadata'],
    [{ model: 'echo', rows: [], metadata: { a: 'x'.repeat(20_000) } }, 'metadata'],
    [{ model: 'echo', rows: [], metadata: { a: '\u0000' } }, 'metadata'],
    [{ model: 'echo', rows: [], deadline: 'tomorrow' }, 'deadline'],
    [{ model: 'echo', rows: [], deadline: '2001-01-01T00:00:00Z' }, 'deadline'],
    [{ model: 'echo', rows: [], webhook_url: 'http://127.0.0.1/' }, 'webhook_url'],
    [{ model: 'echo', rows: [], on_invalid: 'ignore' }, 'on_invalid'],
    [{ model: 'echo', rows: [], max_error_rate: 1.5 }, 'max_error_rate'],
    [{ model: 'echo', rows: [], options: { cache: false } }, 'options.cache'],
    [{ model: 'echo', rows: [], nobody: 1 }, 'nobody'],
  ])('refuse %j, and say what is wrong with it', async (body, field) => {
    const answer = await door.post('/v1/jobs', body);
    expect(errorOf(answer)).toMatchObject({ code: 'invalid_request', param: field });
  });

  it('refuse settings in the query beside a body that has them', async () => {
    const answer = await door.post('/v1/jobs?priority=low', { model: 'echo', rows: [] });
    expect(errorOf(answer)).toMatchObject({ code: 'invalid_request', param: 'priority' });
  });

  it.each([
    '/v1/jobs?limit=0',
    '/v1/jobs?limit=ten',
    '/v1/jobs?status=lost',
    '/v1/jobs?after=mine',
    '/v1/jobs?nobody=1',
  ])('refuse GET %s', async (path) => {
    expect(outcome(await door.send(path))).toBe('400 invalid_request');
  });

  it.each([
    '/v1/jobs/unknown',
    `/v1/jobs/job_${'0'.repeat(32)}`,
    '/v1/jobs/a%00b',
    '/v1/jobs/..%2f',
    `/v1/jobs/${'x'.repeat(3000)}`,
  ])('know no job at %s', async (path) => {
    for (const [method, below] of [
      ['GET', ''],
      ['GET', '/results'],
      ['POST', '/cancel'],
      ['POST', '/retry'],
      ['DELETE', ''],
    ])
      expect(outcome(await door.send(`${path}${below}`, { method: method ?? '' }))).toBe('404 job_not_found');
  });

  it('answer HEAD and OPTIONS like all others', async () => {
    const { links } = await submitted({ rows: [] });
    const head = await door.send(links.self, { method: 'HEAD' });
    expect([head.status, head.text, head.headers.get('ETag')]).toEqual([200, '', expect.any(String)]);
    const options = await door.send(links.self, { method: 'OPTIONS' });
    expect([options.status, options.headers.get('Allow')]).toEqual([204, 'DELETE, GET, HEAD, OPTIONS']);
    const patch = await door.send(links.self, { method: 'PATCH' });
    expect([outcome(patch), patch.headers.get('Allow')]).toEqual([
      '405 method_not_allowed',
      'DELETE, GET, HEAD, OPTIONS',
    ]);
  });

  it('take high before all others, here', async () => {
    expect(await submitted({ rows: [], priority: 'high' })).toMatchObject({ priority: 'high' });
  });
});

describe('the doors to jobs, beyond loopback', () => {
  it('take no job that goes before all others, and do not tell what was given up', async () => {
    await open({ settings: { HTTP_HOST: '0.0.0.0' } });
    const high = await submit({ rows: [], priority: 'high' });
    expect(errorOf(high)).toMatchObject({
      code: 'invalid_request',
      details: [{ field: 'priority', code: 'not_loopback' }],
    });
    expect(errorOf(await door.send('/v1/admin/dead-chunks'))).toMatchObject({ details: [{ code: 'not_loopback' }] });
    await close();
  });
});

describe('the doors to jobs, without a database', () => {
  it('say so, and when to come again', async () => {
    await using lonely = await Door.open({
      models: { echo: { ...tiny.identity('FP32'), manifest: 'task: tensors' } },
    });
    const answers = [
      await lonely.post('/v1/jobs', { model: 'echo', rows: rows(1) }),
      await lonely.post('/v1/jobs?model=echo', '[]'),
      await lonely.send('/v1/jobs'),
      await lonely.send('/v1/jobs/unknown'),
      await lonely.send('/v1/jobs/unknown?wait=60'),
      await lonely.send('/v1/jobs/unknown/results'),
      await lonely.send('/v1/jobs/unknown/cancel', { method: 'POST' }),
      await lonely.send('/v1/jobs/unknown/retry', { method: 'POST' }),
      await lonely.send('/v1/jobs/unknown', { method: 'DELETE' }),
      await lonely.send('/v1/admin/dead-chunks'),
    ];
    expect(new Set(answers.map(outcome))).toEqual(new Set(['503 database_unavailable']));
    expect(answers.every(({ headers }) => headers.has('Retry-After'))).toBe(true);
  });
});
