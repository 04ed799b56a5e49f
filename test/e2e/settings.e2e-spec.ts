import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Executor } from '@app/inference';
import { FakeExecutor, eventually, tiny } from '@app/testing';
import { Door, errorOf, outcome } from './door';
import { RawConnection } from './raw-http';

const GET = 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n';
const echo = { ...tiny.identity('FP32'), manifest: 'task: tensors' };

/** What a prediction gets whose executor begins it, and never ends it. */
async function hanging(settings: Record<string, string>, headers = {}): Promise<string> {
  const executor = new FakeExecutor();
  executor.hang();
  await using door = await Door.open({
    models: { echo },
    override: (module) => module.overrideProvider(Executor).useValue(executor),
    settings,
  });
  const answer = await predict(door, headers);
  executor.release();
  return outcome(answer);
}

const predict = (door: Door, headers = {}, x: readonly number[] = [1]) =>
  door.post('/v1/models/echo/predict', { inputs: { x: [x] } }, headers);

describe('settings that no other test sets are obeyed:', () => {
  it('HTTP_HEADERS_TIMEOUT_MS', async () => {
    await using door = await Door.open({ settings: { HTTP_HEADERS_TIMEOUT_MS: '100' } });
    await using connection = await RawConnection.to(door.url);
    connection.write('GET /health HTTP/1.1\r\n');
    expect(outcome(await connection.answer())).toBe('408 request_timeout');
  });

  it('HTTP_KEEP_ALIVE_TIMEOUT_MS', async () => {
    await using door = await Door.open({ settings: { HTTP_KEEP_ALIVE_TIMEOUT_MS: '7000' } });
    await using connection = await RawConnection.to(door.url);
    connection.write(GET);
    expect((await connection.answer()).headers.get('keep-alive')).toBe('timeout=7');
  });

  it('HTTP_MAX_CONNECTIONS', async () => {
    await using door = await Door.open({ settings: { HTTP_MAX_CONNECTIONS: '1' } });
    await using first = await RawConnection.to(door.url);
    first.write(GET);
    expect((await first.answer()).status).toBe(200);
    await using second = await RawConnection.to(door.url);
    await second.whenClosed();
    first.write(GET);
    expect((await first.answer()).status).toBe(200);
  });

  it('MODEL_MAX_CACHED', async () => {
    await using door = await Door.open({ models: { echo, other: echo }, settings: { MODEL_MAX_CACHED: '1' } });
    expect((await predict(door)).status).toBe(200);
    expect((await door.post('/v1/models/other/predict', { inputs: { x: [[1]] } })).status).toBe(200);
    await eventually(async () => {
      const { body } = await door.send('/v1/models/echo');
      expect(body).toMatchObject({ versions: [{ state: 'known' }] });
    });
  });

  it('MODEL_CACHE_BYTES', async () => {
    const models = { echo: { ...tiny.large(3_000_000), manifest: 'task: tensors' } };
    await using door = await Door.open({ models, settings: { MODEL_CACHE_BYTES: '1048576' } });
    const answer = await door.post('/v1/models/echo/predict', { rows: [{ x: new Array(1024).fill(0) }] });
    expect(outcome(answer)).toBe('503 model_unavailable');
    expect((await door.send('/v1/models/echo')).body).toMatchObject({ reason: expect.stringContaining('memory') });
  });

  it('EXECUTOR_COUNT', async () => {
    await using door = await Door.open({ settings: { EXECUTOR_COUNT: '2' } });
    const { concurrency, slots } = door.server.app.get(Executor).status();
    expect([concurrency, slots.length]).toEqual([2, 3]);
  });

  it('INFERENCE_DEADLINE_MS', async () => {
    expect(await hanging({ INFERENCE_DEADLINE_MS: '50' })).toBe('504 deadline_exceeded');
  });

  it('INFERENCE_MAX_DEADLINE_MS', async () => {
    const settings = { INFERENCE_DEADLINE_MS: '50', INFERENCE_MAX_DEADLINE_MS: '60' };
    expect(await hanging(settings, { 'X-Request-Timeout-Ms': '600000' })).toBe('504 deadline_exceeded');
  });

  it('REDIS_URL, also where nothing answers', async () => {
    await using door = await Door.open({ models: { echo }, settings: { REDIS_URL: 'redis://127.0.0.1:1' } });
    expect((await predict(door)).status).toBe(200);
    await eventually(async () => {
      const { status, body } = await door.send('/ready');
      expect([status, body]).toMatchObject([200, { status: 'degraded', components: { redis: {} } }]);
    });
    expect((await predict(door, {}, [2])).status).toBe(200);
  });

  it('INFERENCE_QUEUE_LIMIT_BYTES', async () => {
    await using door = await Door.open({ models: { echo }, settings: { INFERENCE_QUEUE_LIMIT_BYTES: '1048576' } });
    const answer = await predict(door, {}, new Array<number>(300_000).fill(0));
    expect(errorOf(answer)).toMatchObject({ code: 'overloaded', retryable: true });
    expect((await predict(door)).status).toBe(200);
  });
});

it('every setting is set by some test over HTTP', () => {
  const page = readFileSync(join(__dirname, '../../docs/configuration.md'), 'utf8');
  const tests = readdirSync(__dirname).map((name) => readFileSync(join(__dirname, name), 'utf8'));
  const variables = [...page.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name = '']) => name);
  expect(variables.length).toBeGreaterThan(20);
  expect(variables.filter((name) => !tests.some((text) => text.includes(`${name}: `)))).toEqual([]);
});
