import { temporaryDirectory, tiny, writeModel } from '@app/testing';
import { ServerProcess } from '../e2e/server-process';
import { RedisServer, hasRedisServer } from '../integration/redis-server';
import { keepMeasures, percentiles } from './measures';

const REQUESTS = 300;
/** What a read waits for Redis. */
const READ_TIMEOUT_MS = 20;

/** One request after another, each for what nobody asked before; gives how long each took. */
async function askAll(url: string, first: number): Promise<number[]> {
  const took: number[] = [];
  for (let value = first; value < first + REQUESTS; value += 1) {
    const beganAt = performance.now();
    const response = await fetch(`${url}/v1/models/adder/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: { x: [[value]] } }),
    });
    const answer = await response.json();
    took.push(performance.now() - beganAt);
    expect(answer).toMatchObject({ outputs: { y: [[value + 1]] } });
    expect(response.headers.get('x-cache')).toBe('miss');
  }
  return took;
}

(hasRedisServer() ? describe : describe.skip)('a Redis that goes away', () => {
  it('costs some requests 20 ms, most nothing, and none its answer', async () => {
    const models = await temporaryDirectory();
    await writeModel(models, { name: 'adder', model: tiny.adds(1) });
    await using redis = await RedisServer.start();
    await using server = await ServerProcess.start({
      MODEL_DIR: models,
      INFERENCE_CACHE_BYTES: '67108864',
      REDIS_URL: redis.url,
    });
    const url = await server.ready();
    await askAll(url, 0);
    const answering = await askAll(url, 1_000);
    redis.freeze();
    const frozen = await askAll(url, 2_000);
    redis.thaw();
    await redis.kill();
    const gone = await askAll(url, 3_000);
    await keepMeasures('redis-down', {
      unit: 'ms',
      requests: REQUESTS,
      'while Redis answers': percentiles(answering),
      'while it hangs': percentiles(frozen),
      'while it is gone': percentiles(gone),
    });
    // A Redis that hangs is left alone after some reads that waited for it in vain: most requests wait for nothing.
    const asBefore = percentiles(answering).p50;
    expect(percentiles(frozen).p50).toBeLessThan(asBefore + READ_TIMEOUT_MS);
    expect(percentiles(gone).p50).toBeLessThan(asBefore + READ_TIMEOUT_MS);
  }, 120_000);
});
