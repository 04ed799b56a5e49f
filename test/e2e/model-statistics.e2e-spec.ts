import { randomUUID } from 'node:crypto';
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig } from '@app/config';
import { Executor, InferenceService } from '@app/inference';
import { FakeExecutor, createTestApp, eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { AppModule } from '../../apps/api/src/app.module';
import { appParts } from '../../apps/api/src/bootstrap';
import type {
  ModelStatisticsDescription,
  VersionStatisticsDescription,
} from '../../apps/api/src/models/model-statistics.dto';
import { type Answer, ApiClient, DEFAULT_MODELS, Door, outcome } from './door';
import { ServerProcess } from './server-process';

const ADDER = '/v1/models/adder/predict';

/** As much of a version as tests read at once. */
type Version = VersionStatisticsDescription;

const rows = (...values: readonly number[]) => ({ rows: values.map((x) => ({ x: [x] })) });
const uncached = (...values: readonly number[]) => ({ ...rows(...values), options: { cache: false } });

async function statisticsOf(client: ApiClient, model: string): Promise<ModelStatisticsDescription> {
  const { body } = await client.send(`/v1/models/${model}`);
  return (body as { readonly statistics: ModelStatisticsDescription }).statistics;
}

async function versionOf(client: ApiClient, model: string): Promise<Version> {
  const { versions } = await statisticsOf(client, model);
  expect(versions).toHaveLength(1);
  return versions[0];
}

/** The sum of one part of `Server-Timing` over answers, in milliseconds. */
function timed(answers: readonly Answer[], part: 'queue' | 'compute'): number {
  const pattern = new RegExp(`${part};dur=([\\d.]+)`);
  const times = answers.map(({ headers }) => Number(pattern.exec(headers.get('server-timing') ?? '')?.[1]));
  return times.reduce((sum, time) => sum + time, 0);
}

describe('the statistics of GET /v1/models/{model}, on a fake executor', () => {
  let door: Door;
  let executor: FakeExecutor;

  const open = async (settings: Readonly<Record<string, string>> = {}): Promise<void> => {
    executor = new FakeExecutor();
    door = await Door.open({
      models: { adder: { ...tiny.adds(1), manifest: 'task: tensors\npinned: true\nbatching: { max_rows: 4 }' } },
      settings,
      override: (module) => module.overrideProvider(Executor).useValue(executor),
    });
  };

  afterEach(() => door.close());

  it('are zeros before the first call, with the verdict of the load', async () => {
    await open({ INFERENCE_QUEUE_LIMIT_ROWS: '77' });
    const nothing = { waiting_calls: 0, waiting_rows: 0, oldest_wait_ms: 0, waits: { count: 0, mean_ms: null } };
    expect(await statisticsOf(door, 'adder')).toMatchObject({
      process: 1,
      executors: { concurrency: 1, running_batches: 0, restarts: 0 },
      cache: { hits: 0, misses: 0, entries: 0, bytes: 0 },
      versions: [
        {
          ...{ version: '1', batchable: true, batching_reason: 'Scripted by a test.' },
          queue: { limit_rows: 77, online: nothing, bulk: nothing },
          batches: { running: 0, count: 0, mean_rows: null, largest_rows: 0, sizes: [], kinds: [] },
          executor: { runs: { count: 0, recent_count: 0, recent_p99_ms: null }, rows_per_ms: null },
        },
      ],
    });
  });

  it('tell what waits now, online and bulk, and afterwards what was waited and what ran together', async () => {
    await open();
    executor.hang();
    const running = door.post(ADDER, uncached(0));
    await executor.hasStarted(1);
    const online = [door.post(ADDER, uncached(1, 2)), door.post(ADDER, uncached(3))];
    const bulk = door.server.app.get(InferenceService, { strict: false }).predict({
      ...{ model: 'adder', input: { form: 'rows', rows: [{ x: [4] }] }, options: {}, priority: 'bulk', cache: false },
      door: 'test',
      context: {
        ...{ requestId: randomUUID(), traceparent: '', signal: new AbortController().signal },
        deadlineAtMs: performance.now() + 60_000,
      },
    });
    const waiting = await eventually(async () => {
      const version = await versionOf(door, 'adder');
      return version.queue.online.waiting_calls + version.queue.bulk.waiting_calls === 3 && version;
    });
    expect(waiting).toMatchObject({
      queue: {
        online: { waiting_calls: 2, waiting_rows: 3, waits: { count: 1 } },
        bulk: { waiting_calls: 1, waiting_rows: 1, waits: { count: 0 } },
      },
      batches: { running: 1, count: 0 },
    });
    expect(waiting.queue.online.oldest_wait_ms).toBeGreaterThan(0);
    expect(await statisticsOf(door, 'adder')).toMatchObject({ executors: { concurrency: 1, running_batches: 1 } });

    executor.release();
    const answers = await Promise.all([running, ...online]);
    await bulk;
    const { queue, calls, batches, executor: time } = await versionOf(door, 'adder');
    expect(calls).toMatchObject({ answered: 4, shed: 0, failed: 0 });
    expect(batches).toMatchObject({
      ...{ running: 0, count: 3, rows: 5, mean_rows: 1.667, largest_rows: 3 },
      sizes: [
        { rows: 1, batches: 2 },
        { rows: 3, batches: 1 },
      ],
      kinds: [
        { priority: 'online', waiting_rows: 0, max_batch_rows: 4 },
        { priority: 'bulk', waiting_rows: 0, max_batch_rows: 4 },
      ],
    });
    expect([queue.online.waiting_calls, queue.online.waits.count, queue.bulk.waits.count]).toEqual([0, 3, 1]);
    expect(queue.online.waits.total_ms).toBeCloseTo(timed(answers, 'queue'), 1);
    expect(queue.online.waits.recent_max_ms).toBeGreaterThanOrEqual(waiting.queue.online.oldest_wait_ms);
    expect(time.runs).toMatchObject({ count: 3, recent_count: 3 });
    expect(time.runs.recent_max_ms).toBeGreaterThanOrEqual(waiting.queue.online.oldest_wait_ms);
  });

  it('tell apart how calls end that are not answered', async () => {
    await open({ INFERENCE_QUEUE_LIMIT_ROWS: '3' });
    executor.hang();
    const client = new AbortController();
    const running = door.post(ADDER, uncached(0));
    await executor.hasStarted(1);
    const left = fetch(door.url + ADDER, {
      ...{ method: 'POST', headers: { 'Content-Type': 'application/json' }, signal: client.signal },
      body: JSON.stringify(uncached(1)),
    }).catch(() => 'left');
    await eventually(async () => (await versionOf(door, 'adder')).queue.online.waiting_calls === 1);
    client.abort();
    expect(await left).toBe('left');
    expect(outcome(await door.post(ADDER, uncached(1, 2, 3)))).toBe('503 overloaded');
    const late = await door.post(ADDER, uncached(4), { 'X-Request-Timeout-Ms': '500' });
    expect(outcome(late)).toBe('504 deadline_exceeded');
    executor.release();
    expect(outcome(await running)).toBe('200');
    executor.fail('input_quarantined');
    expect(outcome(await door.post(ADDER, uncached(5)))).toBe('503 input_quarantined');
    executor.fail('inference_failed');
    expect(outcome(await door.post(ADDER, uncached(6)))).toBe('500 inference_failed');
    const calls = { answered: 1, shed: 1, expired: 1, cancelled: 1, failed: 1, quarantined: 1 };
    await eventually(async () => expect((await versionOf(door, 'adder')).calls).toEqual(calls));
  });

  it('tell what the cache did: each row once', async () => {
    await open();
    await door.post(ADDER, rows(1, 2));
    await door.post(ADDER, rows(2, 3));
    await door.post(ADDER, uncached(1));
    executor.hang();
    const first = door.post(ADDER, rows(9));
    await executor.hasStarted(4);
    const second = door.post(ADDER, rows(9));
    await eventually(async () => (await statisticsOf(door, 'adder')).cache.joins === 1);
    executor.release();
    await Promise.all([first, second]);
    const { cache, versions } = await statisticsOf(door, 'adder');
    expect(cache).toMatchObject({ hits: 1, misses: 4, joins: 1, stores: 4, entries: 4, evictions: 0, expiries: 0 });
    expect(cache.bytes).toBeGreaterThan(4 * 512);
    expect(versions[0].calls.answered).toBe(4);
  });

  it('tell what the cache let go for lack of room', async () => {
    const limitBytes = 20_000;
    await open({ INFERENCE_CACHE_BYTES: String(limitBytes), JOB_WORKERS: '0' });
    for (let value = 0; value < 40; value += 4) await door.post(ADDER, rows(value, value + 1, value + 2, value + 3));
    const { cache } = await statisticsOf(door, 'adder');
    expect(cache.stores).toBe(40);
    expect(cache.evictions).toBeGreaterThan(0);
    expect(cache.entries + cache.evictions).toBe(40);
    expect(cache.bytes).toBeLessThanOrEqual(limitBytes);
  });
});

describe('the statistics of GET /v1/models/{model}, on real models', () => {
  it('agree with what the answers of a load say', async () => {
    await using door = await Door.open({ models: DEFAULT_MODELS });
    const texts = Array.from({ length: 40 }, (_, at) => `The weather of day ${at} is lovely.`);
    const answers = await Promise.all(texts.map((text) => door.post('/embed', { text, model_id: 'minilm' })));
    expect(new Set(answers.map(outcome))).toEqual(new Set(['200']));
    const { executors, cache, versions } = await statisticsOf(door, 'minilm');
    const [{ queue, calls, batches, executor, ...verdict }] = versions;
    expect(executors).toMatchObject({ concurrency: 1, running_batches: 0 });
    expect(cache).toMatchObject({ hits: 0, misses: 40, stores: 40, entries: 40 });
    expect(verdict).toMatchObject({ batchable: true, batching_reason: expect.stringContaining('tolerance') });
    expect(calls.answered).toBe(40);
    expect(queue.online.waits.count).toBe(40);
    expect(queue.online.waits.total_ms).toBeGreaterThan(0);
    expect(Math.abs(queue.online.waits.total_ms - timed(answers, 'queue'))).toBeLessThan(0.1);

    const { count, largest_rows: largest, sizes, kinds } = batches;
    expect(batches.rows).toBe(40);
    expect(largest).toBeGreaterThan(1);
    expect(sizes.reduce((sum, { rows: size, batches: times }) => sum + size * times, 0)).toBe(40);
    expect(sizes.reduce((sum, { batches: times }) => sum + times, 0)).toBe(count);
    expect(kinds).toEqual([expect.objectContaining({ priority: 'online', shape: 'text:32', waiting_rows: 0 })]);
    expect(kinds[0].max_batch_rows).toBeGreaterThanOrEqual(1);

    const inside = executor.compute_input_ms + executor.compute_infer_ms + executor.compute_output_ms;
    expect(executor.compute_infer_ms).toBeGreaterThan(executor.compute_input_ms);
    expect(executor.runs).toMatchObject({ count, recent_count: count });
    expect(executor.runs.total_ms).toBeGreaterThan(inside);
    expect(inside).toBeLessThanOrEqual(timed(answers, 'compute') + 0.1);
  });

  it('show a model that mixes rows as one whose rows run by themselves, and why', async () => {
    await using door = await Door.open({ models: { mixes: { ...tiny.mixesRows(), manifest: 'task: tensors' } } });
    expect(await versionOf(door, 'mixes')).toMatchObject({ batchable: null, batching_reason: '' });
    await door.post('/v1/models/mixes/predict', { rows: [{ x: [1, 2] }, { x: [3, 4] }] });
    expect(await versionOf(door, 'mixes')).toMatchObject({
      ...{ batchable: false, batching_reason: expect.stringContaining('depends on the rows beside it') },
      batches: { count: 2, largest_rows: 1, kinds: [{ max_batch_rows: 1 }] },
    });
  });

  it('are those of the process that answers, which says its number', async () => {
    const models = await temporaryDirectory();
    await writeModel(models, { name: 'adder', model: tiny.adds(1) });
    await using server = await ServerProcess.start({ MODEL_DIR: models, HTTP_PROCESSES: '2', EXECUTOR_COUNT: '1' });
    const url = `${await server.ready()}/v1/models/adder`;
    const seen = new Map<number, string>();
    await eventually(async () => {
      const answer = await fetch(url, { headers: { connection: 'close' } });
      const { statistics } = (await answer.json()) as { readonly statistics: ModelStatisticsDescription };
      seen.set(statistics.process, String(answer.headers.get('x-request-id')));
      return seen.size === 2;
    });
    const procOf = (id: string) => server.lines.find((line) => line['request_id'] === id)?.['proc'];
    await eventually(() => [...seen.values()].every((id) => procOf(id) !== undefined));
    expect([...seen].map(([, id]) => procOf(id))).toEqual([...seen.keys()]);
    expect([...seen.keys()].sort()).toEqual([1, 2]);
  });
});

it('refuses a model as a prediction does while the models folder was not read yet', async () => {
  const directory = await temporaryDirectory();
  const models = join(directory, 'models');
  await mkdir(models);
  const config = parseConfig({
    ...{ LOG_LEVEL: 'silent', EXECUTOR_COUNT: '1', MODEL_DIR: models, DATA_DIR: join(directory, 'data') },
    MODEL_POLL_INTERVAL_MS: '20',
  });
  await rmdir(models);
  await using server = await createTestApp(AppModule.forRoot(config), appParts(config));
  const client = new ApiClient(server.url);
  const all = async () => [
    outcome(await client.send('/v1/models/adder')),
    outcome(await client.send('/v1/models/adder/schema')),
    outcome(await client.post(ADDER, rows(1))),
  ];
  expect(await all()).toEqual(Array(3).fill('503 model_not_ready'));
  await mkdir(models);
  await eventually(async () => expect(await all()).toEqual(Array(3).fill('404 model_not_found')));
  await writeModel(models, { name: 'adder', model: { ...tiny.adds(1) }, manifest: 'task: tensors' });
  await eventually(async () => expect(await all()).toEqual(Array(3).fill('200')));
});
