import { type CallContext, tensorOf } from '@app/core';
import { ManualClock, aModelVersion, eventually } from '@app/testing';
import { CacheCounters } from '../../libs/inference/src/caching/cache-counters';
import type { CachedResult } from '../../libs/inference/src/caching/cached-call';
import { RedisResults } from '../../libs/inference/src/caching/redis-results';
import { ResultCache } from '../../libs/inference/src/caching/result-cache';
import type { ScheduledCall, ScheduledResult } from '../../libs/inference/src/scheduling/model-scheduler';
import { RedisServer, hasRedisServer } from './redis-server';

const withRedis = hasRedisServer() ? describe : describe.skip;

/** A process's cache over the Redis of a test; its clock moves by hand, so that a timeout is no matter of luck. */
class CacheProcess implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly changes: string[] = [];
  runs = 0;
  private readonly counters = new CacheCounters();
  private readonly shared: RedisResults;
  private readonly cache: ResultCache;

  constructor(url: string, ttlMs = 60_000) {
    const { clock, counters } = this;
    const onChange = (state: string): void => void this.changes.push(state);
    this.shared = new RedisResults({ url, clock, counters, onChange });
    const scheduler = { submit: (call: ScheduledCall) => this.run(call) };
    this.cache = new ResultCache({ scheduler, clock, counters, maxBytes: 1e6, revision: 'r', shared: this.shared });
    this.version = { ...this.version, manifest: { ...this.version.manifest, cache: { ttlMs } } };
  }

  private readonly version = aModelVersion({ model: 'iris' });

  /** Asks for one row; the answer is its value. */
  async ask(value: number): Promise<CachedResult> {
    const context: CallContext = {
      requestId: 'r-1',
      traceparent: '',
      deadlineAtMs: 1e9,
      signal: new AbortController().signal,
    };
    const tensors = { x: tensorOf('FP32', [1, 1], [value]) };
    const input = { rows: 1, splittable: true, tensors, parameters: {}, outputs: [] };
    return this.cache.answer({ version: this.version, input, context, cache: true });
  }

  get isConnected(): boolean {
    return this.shared.isConnected;
  }

  get statistics() {
    return this.cache.statistics('iris');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = this.cache.close();
    await this.clock.advance(1000);
    await closing;
  }

  private run({ input }: ScheduledCall): Promise<ScheduledResult> {
    this.runs += 1;
    return Promise.resolve({ output: { y: input.tensors['x'] }, queueMs: 0, computeMs: 1, batchSize: 1 });
  }
}

withRedis(RedisResults.name, () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start();
  });

  afterAll(() => server[Symbol.asyncDispose]());

  /** Resolves once Redis has taken so many results. */
  const hasKept = (count: number) => eventually(async () => (await server.ask('DBSIZE')) === `:${count}\r\n`);

  /** Asks in two turns of the event loop: what Redis does not answer is waited for until the timeout, and no longer. */
  const askOfMute = async (process: CacheProcess, value: number): Promise<CachedResult> => {
    const asked = process.ask(value);
    await process.clock.advance(20);
    return asked;
  };

  /** Resolves once a process shares what it keeps. Leaves Redis empty. */
  const connected = async (process: CacheProcess, redis = server): Promise<void> => {
    await eventually(async () => {
      // Redis may rest since it was seen to fail.
      await process.clock.advance(5000);
      await process.ask(Math.random());
      return (await redis.ask('DBSIZE')) !== ':0\r\n';
    });
    await redis.ask('FLUSHALL');
  };

  beforeEach(async () => {
    await server.ask('FLUSHALL');
  });

  it('gives what another process kept, bit for bit, also after a restart', async () => {
    await using first = new CacheProcess(server.url);
    await connected(first);
    const { output } = await first.ask(0.1);
    await hasKept(1);
    await using second = new CacheProcess(server.url);
    await eventually(() => second.isConnected);
    const again = await second.ask(0.1);
    expect(again).toMatchObject({ cache: 'hit', computeMs: 0 });
    expect(Buffer.from(again.output['y'].bytes)).toEqual(Buffer.from(output['y'].bytes));
    expect(again.output['y'].shape).toEqual([1, 1]);
    await second.ask(0.1);
    expect(second.statistics).toMatchObject({ hits: 2, sharedHits: 1, misses: 0, entries: 1 });
  });

  it('keeps each result for its time', async () => {
    await using process = new CacheProcess(server.url, 50_000);
    await connected(process);
    await process.ask(1);
    await hasKept(1);
    const key = (await server.ask('KEYS *')).split('\r\n')[2];
    expect(key).toMatch(/^quayside:result:1:[0-9a-f]{64}$/);
    const left = Number((await server.ask(`PTTL ${key}`)).slice(1));
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(50_000);
  });

  it('misses when all was deleted', async () => {
    await using first = new CacheProcess(server.url);
    await connected(first);
    await first.ask(1);
    await hasKept(1);
    await server.ask('FLUSHALL');
    await using second = new CacheProcess(server.url);
    await eventually(() => second.isConnected);
    await expect(second.ask(1)).resolves.toMatchObject({ cache: 'miss' });
    await expect(first.ask(1)).resolves.toMatchObject({ cache: 'hit' });
  });

  it('answers without Redis while it hangs: waits for a few reads, then leaves it alone for 5 s, then tries again', async () => {
    await using process = new CacheProcess(server.url);
    await connected(process);
    server.freeze();
    try {
      for (const value of [1, 2, 3]) await expect(askOfMute(process, value)).resolves.toMatchObject({ cache: 'miss' });
      expect(process.statistics.sharedTimeouts).toBe(3);
      expect(process.changes).toEqual(['failing']);
      // The clock stands still: nothing is waited for any more.
      for (const value of [4, 5, 6]) await expect(process.ask(value)).resolves.toMatchObject({ cache: 'miss' });
      await process.clock.advance(5000);
      await expect(askOfMute(process, 7)).resolves.toMatchObject({ cache: 'miss' });
      await expect(process.ask(8)).resolves.toMatchObject({ cache: 'miss' });
      expect(process.statistics.sharedTimeouts).toBe(4);
      await expect(process.ask(1)).resolves.toMatchObject({ cache: 'hit' });
    } finally {
      server.thaw();
    }
    await process.clock.advance(5000);
    await expect(process.ask(9)).resolves.toMatchObject({ cache: 'miss' });
    expect(process.changes).toEqual(['failing', 'answering']);
  });

  it('answers without Redis before it is there and after it died, and shares once it is back', async () => {
    await using own = await RedisServer.start();
    await using process = new CacheProcess(own.url);
    await expect(process.ask(0)).resolves.toMatchObject({ cache: 'miss' });
    await connected(process, own);
    await own.kill();
    for (const value of [1, 2, 3, 4]) {
      await expect(askOfMute(process, value)).resolves.toMatchObject({ cache: 'miss' });
    }
    await eventually(() => process.changes.length > 0);
    expect(process.changes).toEqual(['failing']);
    await own.run();
    await connected(process, own);
    expect(process.changes).toEqual(['failing', 'answering']);
  });

  it('ends its connection when it closes, also of a Redis that hangs', async () => {
    const clients = async () => (await server.ask('CLIENT LIST')).match(/name=quayside-results/g)?.length ?? 0;
    const process = new CacheProcess(server.url);
    await connected(process);
    await eventually(async () => (await clients()) === 1);
    server.freeze();
    await process[Symbol.asyncDispose]();
    server.thaw();
    await eventually(async () => (await clients()) === 0);
  });
});
