import { type CallContext, QuaysideError, type Tensor, tensorOf } from '@app/core';
import { DEFAULT_MANIFEST, type ModelVersion } from '@app/model-registry';
import { ManualClock, aModelVersion } from '@app/testing';
import type { ScheduledCall, ScheduledResult } from '../scheduling/model-scheduler';
import type { TaskInput, TaskOutput } from '../tasks/task';
import { CacheCounters } from './cache-counters';
import type { CachedResult } from './cached-call';
import { ResultCache } from './result-cache';
import type { SharedResult, SharedResults } from './shared-results';

interface Submitted {
  readonly call: ScheduledCall;
  readonly answer: (output: TaskOutput) => void;
  readonly fail: (error: Error) => void;
}

/** Notes every call; answers `y` = `x` at once, or when a test does. A call whose signal aborts fails, as in the real one. */
class FakeScheduler {
  readonly calls: Submitted[] = [];
  holds = false;

  submit(call: ScheduledCall): Promise<ScheduledResult> {
    const { promise, resolve, reject } = Promise.withResolvers<ScheduledResult>();
    const answer = (output: TaskOutput): void => resolve({ output, queueMs: 3, computeMs: 4, batchSize: 1 });
    call.context.signal.addEventListener('abort', () => reject(new QuaysideError('client_closed', 'Nobody waits.')));
    this.calls.push({ call, answer, fail: reject });
    if (!this.holds) answer(echo(call.input));
    return promise;
  }

  /** What was run, a list of rows for each run. */
  get runs(): number[][] {
    return this.calls.map(({ call }) => valuesOf(call.input.tensors));
  }

  /** Answers the call that was submitted as the `index`-th. */
  answer(index: number): void {
    this.calls[index].answer(echo(this.calls[index].call.input));
  }
}

class InMemoryResults implements SharedResults {
  readonly kept = new Map<string, SharedResult>();
  isAnswering = true;
  isClosed = false;

  read(_model: string, keys: readonly string[]): Promise<readonly (SharedResult | undefined)[]> {
    return Promise.resolve(keys.map((key) => this.kept.get(key)));
  }

  write(_model: string, results: ReadonlyMap<string, SharedResult>): void {
    for (const [key, result] of results) this.kept.set(key, result);
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

const iris = aModelVersion({ model: 'iris' });
const echo = ({ tensors }: TaskInput): TaskOutput => ({ y: tensors['x'] });
const valuesOf = (tensors: Readonly<Record<string, Tensor>>): number[] => [
  ...new Float32Array(Uint8Array.from((tensors['x'] ?? tensors['y']).bytes).buffer),
];

function build({ shared, maxBytes = 1_000_000 }: { shared?: SharedResults; maxBytes?: number } = {}) {
  const clock = new ManualClock();
  const scheduler = new FakeScheduler();
  const counters = new CacheCounters();
  const cache = new ResultCache({ scheduler, clock, maxBytes, counters, revision: 'quayside@1', shared });
  return { clock, scheduler, cache };
}

interface Asked {
  readonly version?: ModelVersion;
  readonly deadlineAtMs?: number;
  readonly client?: AbortController;
  readonly cache?: boolean;
  readonly splittable?: boolean;
  readonly priority?: ScheduledCall['priority'];
}

async function ask(cache: ResultCache, rows: readonly number[], asked: Asked = {}): Promise<CachedResult> {
  const { version = iris, deadlineAtMs = 1000, client = new AbortController(), splittable = true } = asked;
  const input: TaskInput = {
    rows: rows.length,
    splittable,
    tensors: { x: tensorOf('FP32', [rows.length, 1], [...rows]) },
    parameters: {},
    outputs: [],
  };
  const context: CallContext = { requestId: 'r-1', traceparent: '', deadlineAtMs, signal: client.signal };
  return cache.answer({ version, input, context, priority: asked.priority, cache: asked.cache ?? true });
}

async function answered(asked: Promise<CachedResult>) {
  const { output, cache } = await asked;
  return { rows: valuesOf(output), cache };
}

function withCache(cache: ModelVersion['manifest']['cache']): ModelVersion {
  return { ...iris, manifest: { ...DEFAULT_MANIFEST, cache } };
}

describe(ResultCache.name, () => {
  it('runs once what is asked twice, and a hit takes no time', async () => {
    const { cache, scheduler } = build();
    await expect(ask(cache, [1])).resolves.toMatchObject({ cache: 'miss', queueMs: 3, computeMs: 4 });
    await expect(ask(cache, [1])).resolves.toMatchObject({ cache: 'hit', queueMs: 0, computeMs: 0 });
    expect(scheduler.runs).toEqual([[1]]);
    expect(cache.statistics('iris')).toMatchObject({ hits: 1, misses: 1, joins: 0, stores: 1, entries: 1 });
  });

  it('asks each of two models the same question, and a version again when its contents change', async () => {
    const { cache, scheduler } = build();
    for (const version of [iris, aModelVersion({ model: 'wine' }), aModelVersion({ model: 'iris', content: 'new' })]) {
      await expect(ask(cache, [1], { version })).resolves.toMatchObject({ cache: 'miss' });
    }
    expect(scheduler.runs).toHaveLength(3);
  });

  it('runs the new rows of a call, each once, and gives all in order', async () => {
    const { cache, scheduler } = build();
    await ask(cache, [1, 2, 3]);
    await expect(answered(ask(cache, [9, 2, 8, 1, 9, 3]))).resolves.toEqual({
      rows: [9, 2, 8, 1, 9, 3],
      cache: 'miss',
    });
    expect(scheduler.runs).toEqual([
      [1, 2, 3],
      [9, 8],
    ]);
    await expect(answered(ask(cache, [8, 8, 3]))).resolves.toEqual({ rows: [8, 8, 3], cache: 'hit' });
  });

  it('keeps a call whole where its rows cannot be run apart', async () => {
    const { cache, scheduler } = build();
    await ask(cache, [1, 2], { splittable: false });
    await expect(answered(ask(cache, [1, 2], { splittable: false }))).resolves.toEqual({ rows: [1, 2], cache: 'hit' });
    await ask(cache, [2, 1], { splittable: false });
    expect(scheduler.runs).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });

  it.each<readonly [string, Asked, number]>([
    ['the request says so', { cache: false }, 1000],
    ['the manifest says so', { version: withCache(false) }, 1000],
    ['there is no memory for it', {}, 0],
  ])('neither reads nor keeps where %s', async (_where, asked, maxBytes) => {
    const { cache, scheduler } = build({ maxBytes });
    await ask(cache, [1], asked);
    await expect(ask(cache, [1], asked)).resolves.toMatchObject({ cache: 'off' });
    expect(scheduler.runs).toHaveLength(2);
    expect(cache.statistics('iris')).toMatchObject({ hits: 0, misses: 0, entries: 0 });
  });

  it('lets bulk work read and join, but neither keeps what it ran nor lets others wait for it', async () => {
    const { cache, scheduler } = build();
    const priority = 'bulk';
    await ask(cache, [1]);
    scheduler.holds = true;
    const online = answered(ask(cache, [2]));
    const bulk = answered(ask(cache, [1, 2, 3, 3], { priority }));
    const other = answered(ask(cache, [3]));
    expect(scheduler.runs).toEqual([[1], [2], [3], [3]]);
    for (const index of [1, 2, 3]) scheduler.answer(index);
    await expect(Promise.all([online, bulk, other])).resolves.toEqual([
      { rows: [2], cache: 'miss' },
      { rows: [1, 2, 3, 3], cache: 'miss' },
      { rows: [3], cache: 'miss' },
    ]);
    scheduler.holds = false;
    await ask(cache, [4], { priority });
    await expect(ask(cache, [4])).resolves.toMatchObject({ cache: 'miss' });
  });

  it('asks again when the time of a result is over, by the manifest of its model', async () => {
    const { cache, clock } = build();
    const asked = { version: withCache({ ttlMs: 50 }), deadlineAtMs: 10_000 };
    await ask(cache, [1], asked);
    await clock.advance(50);
    await expect(ask(cache, [1], asked)).resolves.toMatchObject({ cache: 'hit' });
    await clock.advance(1);
    await expect(ask(cache, [1], asked)).resolves.toMatchObject({ cache: 'miss' });
    expect(cache.statistics('iris').expiries).toBe(1);
  });

  it('keeps no error', async () => {
    const { cache, scheduler } = build();
    scheduler.holds = true;
    const failing = ask(cache, [1]);
    scheduler.calls[0].fail(new QuaysideError('inference_failed', 'No.'));
    await expect(failing).rejects.toMatchObject({ code: 'inference_failed' });
    scheduler.holds = false;
    await expect(ask(cache, [1])).resolves.toMatchObject({ cache: 'miss' });
  });

  it('runs a call whole where its model gives outputs that are not rows', async () => {
    const { cache, scheduler } = build();
    const sum = { y: tensorOf('FP32', [1], [3]) };
    scheduler.holds = true;
    for (const index of [0, 1]) {
      const asked = ask(cache, [1, 2]);
      scheduler.calls[index].answer(sum);
      await expect(asked).resolves.toMatchObject({ output: sum, cache: 'miss' });
    }
  });

  it('runs rows together where what is kept of them does not fit together', async () => {
    const { cache, scheduler } = build();
    scheduler.holds = true;
    const wide = ask(cache, [1]);
    scheduler.calls[0].answer({ y: tensorOf('FP32', [1, 2], [1, 1]) });
    await wide;
    const both = ask(cache, [1, 2]);
    scheduler.answer(1);
    while (scheduler.calls.length < 3) await Promise.resolve();
    scheduler.answer(2);
    await expect(answered(both)).resolves.toEqual({ rows: [1, 2], cache: 'miss' });
    expect(scheduler.runs).toEqual([[1], [2], [1, 2]]);
  });
});

describe('calls that come together', () => {
  it('run once, though a hundred ask', async () => {
    const { cache, scheduler } = build();
    scheduler.holds = true;
    const asked = Array.from({ length: 100 }, () => answered(ask(cache, [1])));
    expect(scheduler.runs).toEqual([[1]]);
    scheduler.answer(0);
    const answers = await Promise.all(asked);
    expect(answers.map((answer) => answer.cache)).toEqual(['miss', ...Array.from({ length: 99 }, () => 'joined')]);
    expect(cache.statistics('iris')).toMatchObject({ misses: 1, joins: 99, hits: 0 });
  });

  it('share single rows: each runs what no other runs', async () => {
    const { cache, scheduler } = build();
    scheduler.holds = true;
    const first = answered(ask(cache, [1, 2]));
    const second = answered(ask(cache, [2, 3]));
    const third = answered(ask(cache, [3, 1]));
    expect(scheduler.runs).toEqual([[1, 2], [3]]);
    scheduler.answer(1);
    scheduler.answer(0);
    await expect(Promise.all([first, second, third])).resolves.toEqual([
      { rows: [1, 2], cache: 'miss' },
      { rows: [2, 3], cache: 'miss' },
      { rows: [3, 1], cache: 'joined' },
    ]);
  });

  it('are answered though the one who began leaves', async () => {
    const { cache, scheduler } = build();
    scheduler.holds = true;
    const client = new AbortController();
    const first = ask(cache, [1], { client });
    const second = answered(ask(cache, [1]));
    client.abort();
    await expect(first).rejects.toMatchObject({ code: 'client_closed' });
    expect(scheduler.calls[0].call.context.signal.aborted).toBe(false);
    scheduler.answer(0);
    await expect(second).resolves.toEqual({ rows: [1], cache: 'joined' });
  });

  it('are cancelled when the last of them leaves, and what comes then runs anew', async () => {
    const { cache, scheduler } = build();
    scheduler.holds = true;
    const clients = [new AbortController(), new AbortController()];
    const asked = clients.map((client) => ask(cache, [1], { client }));
    for (const client of clients) client.abort();
    for (const one of asked) await expect(one).rejects.toMatchObject({ code: 'client_closed' });
    expect(scheduler.calls[0].call.context.signal.aborted).toBe(true);
    const late = answered(ask(cache, [1]));
    scheduler.answer(1);
    await expect(late).resolves.toEqual({ rows: [1], cache: 'miss' });
  });

  it('wait until the latest of their deadlines, each for its own', async () => {
    const { cache, scheduler, clock } = build();
    scheduler.holds = true;
    const first = expect(ask(cache, [1], { deadlineAtMs: 100 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    const second = answered(ask(cache, [1], { deadlineAtMs: 300 }));
    const third = expect(ask(cache, [1], { deadlineAtMs: 50 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    const { context } = scheduler.calls[0].call;
    expect(context.deadlineAtMs).toBe(300);
    await clock.advance(50);
    await third;
    await clock.advance(50);
    await first;
    expect(context.deadlineAtMs).toBe(300);
    scheduler.answer(0);
    await expect(second).resolves.toEqual({ rows: [1], cache: 'joined' });
    expect(scheduler.runs).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  it.each([
    ['is refused for lack of room', new QuaysideError('overloaded', 'Full.'), 0],
    ['reaches its deadline', new QuaysideError('deadline_exceeded', 'Late.', { stage: 'executing' }), 100],
  ])('are led by the next when the one who leads %s', async (_how, error, atMs) => {
    const { cache, scheduler, clock } = build();
    scheduler.holds = true;
    const first = ask(cache, [1], { deadlineAtMs: 100 });
    const others = [answered(ask(cache, [1])), answered(ask(cache, [1]))];
    const failed = expect(first).rejects.toMatchObject({ code: error.code });
    await clock.advance(atMs);
    scheduler.calls[0].fail(error);
    await failed;
    while (scheduler.calls.length < 2) await Promise.resolve();
    expect(scheduler.calls[1].call.context.deadlineAtMs).toBe(1000);
    scheduler.answer(1);
    await expect(Promise.all(others)).resolves.toEqual([
      { rows: [1], cache: 'joined' },
      { rows: [1], cache: 'joined' },
    ]);
    expect(scheduler.runs).toEqual([[1], [1]]);
  });

  it('each fail for lack of room when none of them finds any', async () => {
    const { cache, scheduler } = build();
    scheduler.holds = true;
    const asked = [1, 2, 3].map(() => expect(ask(cache, [1])).rejects.toMatchObject({ code: 'overloaded' }));
    for (let index = 0; index < 3; index++) {
      while (scheduler.calls.length <= index) await Promise.resolve();
      scheduler.calls[index].fail(new QuaysideError('overloaded', 'Full.'));
    }
    await Promise.all(asked);
    expect(scheduler.runs).toHaveLength(3);
  });

  it('share the failure of what all of them asked for, and the next call runs anew', async () => {
    const { cache, scheduler } = build();
    scheduler.holds = true;
    const hardTimeout = new QuaysideError('deadline_exceeded', 'Killed.', { stage: 'executing' });
    for (const [index, error] of [hardTimeout, new QuaysideError('executor_crashed', 'Died.')].entries()) {
      const asked = [1, 2].map(() => expect(ask(cache, [1])).rejects.toBe(error));
      scheduler.calls[index].fail(error);
      await Promise.all(asked);
    }
    expect(scheduler.runs).toHaveLength(2);
  });

  it('do not fail with rows that they did not ask for', async () => {
    const { cache, scheduler } = build();
    scheduler.holds = true;
    const first = ask(cache, [1, 666]);
    const second = answered(ask(cache, [1]));
    scheduler.calls[0].fail(new QuaysideError('inference_failed', 'A row is bad.'));
    await expect(first).rejects.toMatchObject({ code: 'inference_failed' });
    while (scheduler.calls.length < 2) await Promise.resolve();
    scheduler.answer(1);
    await expect(second).resolves.toEqual({ rows: [1], cache: 'miss' });
    expect(scheduler.runs).toEqual([[1, 666], [1]]);
  });
});

describe('results that are shared', () => {
  it('are hits in another process, which keeps them no longer than they have left', async () => {
    const shared = new InMemoryResults();
    const [one, other] = [build({ shared }), build({ shared })];
    await ask(one.cache, [1, 2]);
    for (const [key, result] of shared.kept) shared.kept.set(key, { ...result, ttlMs: 100 });
    await expect(answered(ask(other.cache, [2, 1]))).resolves.toEqual({ rows: [2, 1], cache: 'hit' });
    shared.kept.clear();
    await expect(answered(ask(other.cache, [1]))).resolves.toEqual({ rows: [1], cache: 'hit' });
    await other.clock.advance(101);
    await expect(answered(ask(other.cache, [1]))).resolves.toEqual({ rows: [1], cache: 'miss' });
    expect(other.cache.statistics('iris')).toMatchObject({ hits: 3, sharedHits: 2, misses: 1 });
  });

  it('are completed with what has to be run', async () => {
    const shared = new InMemoryResults();
    await ask(build({ shared }).cache, [1, 3]);
    const { cache, scheduler } = build({ shared });
    await expect(answered(ask(cache, [1, 2, 3]))).resolves.toEqual({ rows: [1, 2, 3], cache: 'miss' });
    expect(scheduler.runs).toEqual([[2]]);
  });

  it('are read once for calls that come together', async () => {
    const shared = new InMemoryResults();
    await ask(build({ shared }).cache, [1]);
    const { cache, scheduler } = build({ shared });
    const read = jest.spyOn(shared, 'read');
    const answers = await Promise.all([answered(ask(cache, [1])), answered(ask(cache, [1]))]);
    expect(answers.map((answer) => answer.cache)).toEqual(['hit', 'hit']);
    expect(read).toHaveBeenCalledTimes(1);
    expect(scheduler.runs).toEqual([]);
  });

  it('are told to answer or not, where there are any', () => {
    const shared = new InMemoryResults();
    const { cache } = build({ shared });
    expect(cache.sharesResults()).toBe(true);
    shared.isAnswering = false;
    expect(cache.sharesResults()).toBe(false);
    expect(build().cache.sharesResults()).toBeUndefined();
  });

  it('are ignored when they cannot be read, and let go when the cache closes', async () => {
    const shared = new InMemoryResults();
    await ask(build({ shared }).cache, [1]);
    for (const key of shared.kept.keys()) shared.kept.set(key, { bytes: Buffer.from('not a result'), ttlMs: 1000 });
    const { cache } = build({ shared });
    await expect(answered(ask(cache, [1]))).resolves.toEqual({ rows: [1], cache: 'miss' });
    await cache.close();
    expect(shared.isClosed).toBe(true);
  });
});
