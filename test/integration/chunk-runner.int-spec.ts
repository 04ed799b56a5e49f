import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ChunkRunner, type ChunkRunnerParts, InferenceRows, JobStore, inputKey } from '@app/batch-jobs';
import { QuaysideError, SystemClock, tensorOf, viewOf } from '@app/core';
import { type Executor, InferenceService, ModelScheduler, type ResultCache, type ScheduledCall } from '@app/inference';
import type { ModelVersion } from '@app/model-registry';
import type { LoggingPredictionSink } from '@app/prediction-log';
import {
  FakeExecutor,
  FakeFeatureStore,
  FakeModelRegistry,
  InMemoryBlobStore,
  type VersionToMake,
  eventually,
  inPieces,
  tiny,
} from '@app/testing';
import { PoolHarness } from './execution-harness';
import { LogBench } from './prediction-log-bench';

const ROWS = 60;
/** The model fails on rows with this value. */
const GUILTY = 13;

const noSignal = (): AbortSignal => new AbortController().signal;

/** Doubles `x`, and fails on the guilty. */
function doubling(): FakeExecutor {
  return new FakeExecutor(2).answer(({ tensors: { x }, rows }) => {
    const values = [...viewOf(x, 'FP32')];
    if (values.includes(GUILTY)) throw new QuaysideError('inference_failed', 'It failed.');
    return {
      y: tensorOf(
        'FP32',
        [rows, 1],
        values.map((value) => value * 2),
      ),
    };
  });
}

/** Worker processes over a database of their own, and one version of a model. */
class Workers implements AsyncDisposable {
  readonly clock = new SystemClock();
  readonly blobs = new InMemoryBlobStore();
  readonly registry = new FakeModelRegistry(this.clock);
  readonly version: ModelVersion;
  readonly store: JobStore;
  private readonly sink: LoggingPredictionSink;

  private constructor(
    private readonly log: LogBench,
    private readonly executor: Executor,
    version: VersionToMake,
  ) {
    this.version = this.registry.add(version);
    this.sink = log.sink();
    this.store = new JobStore(log.here.database.main, {
      ...{ windowChunks: 4, leaseMs: 600_000, lookAgainMs: 600_000, uploadSilenceMs: 600_000 },
      ...{ resultsKeptMs: 600_000, jobsKeptMs: 1_200_000 },
    });
  }

  static async over(executor: Executor, version: VersionToMake = { model: 'fraud', version: '7' }): Promise<Workers> {
    return new Workers(await LogBench.open(), executor, version);
  }

  /** A worker process of its own; `beforeCommit` is done once its file is stored. */
  runner(beforeCommit: () => Promise<void> = () => Promise.resolve()): ChunkRunner {
    const { clock, registry, executor, sink, blobs, store } = this;
    const scheduler = new ModelScheduler(executor, clock, { queueLimitRows: 1000, queueLimitBytes: 1e9 });
    const uncached = {
      answer: async (call: ScheduledCall) => ({ ...(await scheduler.submit(call)), cache: 'off' }),
    } as unknown as ResultCache;
    const features = new FakeFeatureStore((row) => row, registry);
    const inference = new InferenceService(registry, features, scheduler, uncached, sink, clock);
    const leases: ChunkRunnerParts['store']['leases'] = {
      claim: (...call) => store.leases.claim(...call),
      heartbeat: (held) => store.leases.heartbeat(held),
      commit: (result) => beforeCommit().then(() => store.leases.commit(result)),
      release: (...call) => store.leases.release(...call),
      probe: (...call) => store.leases.probe(...call),
      fail: (...call) => store.leases.fail(...call),
    };
    return new ChunkRunner({
      inference: new InferenceRows({ inference, registry, clock, missingMs: 0 }),
      ...{ store: { leases, rates: store.rates }, blobs, clock, owner: 'w', concurrency: 2, rowsAtOnce: 60 },
      onDefect: (fault) => {
        throw fault;
      },
    });
  }

  /** A queued job of one chunk with the rows `{x: [0]}`, `{x: [1]}`, …. */
  async job(digest = this.version.digest): Promise<string> {
    const beginning = await this.store.uploads.begin(
      {
        ...{ tenant: '', class: 'normal', model: this.version.model, modelVersion: this.version.version, digest },
        ...{ params: {}, metadata: {} },
      },
      { activeJobs: 10, queuedRows: 1e6 },
    );
    if (beginning.outcome !== 'begun') throw new Error(beginning.outcome);
    const { id } = beginning.job;
    const lines = Array.from({ length: ROWS }, (_, i) => `${JSON.stringify({ i, id: `r${i}`, row: { x: [i] } })}\n`);
    await this.blobs.put(inputKey(id, 0), inPieces(lines.join('')));
    await this.store.uploads.addChunks(id, [{ idx: 0, firstRow: 0, rows: ROWS, inputKey: inputKey(id, 0) }]);
    await this.store.uploads.seal({ id, total: ROWS, bodyHash: 'h' });
    return id;
  }

  /** As the reconciler ends the lease of a worker that gave no sign of life. */
  async expireLease(id: string): Promise<void> {
    await this.log.here.database.main.query(
      `update job_chunk set due_at = now() - interval '1 second' where job_id = $1`,
      [id],
    );
    await this.store.upkeep.expireLeases();
  }

  async lines(key: string): Promise<readonly { readonly index: number }[]> {
    const jsonl = await text((await this.blobs.get(key))!);
    return jsonl
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly index: number });
  }

  logged<T>(select: string): Promise<T> {
    return this.log.value<T>(`select ${select} from prediction_log`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log[Symbol.asyncDispose]();
  }
}

let workers: Workers;
let executor: FakeExecutor;
beforeEach(async () => {
  executor = doubling();
  workers = await Workers.over(executor);
});
afterEach(() => workers[Symbol.asyncDispose]());

describe('a chunk that runs twice', () => {
  it('has one result line and one row in the log for each of its rows, without payload', async () => {
    const id = await workers.job();
    // The first worker answers everything, and loses its lease before it can commit.
    const slow = workers.runner(() => workers.expireLease(id));
    await expect(slow.run(id, 0, noSignal())).resolves.toBeUndefined();
    await workers.runner().run(id, 0, noSignal());

    expect(await workers.store.find('', id)).toMatchObject({ status: 'succeeded', succeeded: ROWS - 1, failed: 1 });
    await eventually(async () => expect(await workers.logged<number>('count(*)::int')).toBe(ROWS));
    expect(await workers.logged('count(distinct row_index)::int')).toBe(ROWS);
    expect(await workers.logged('count(distinct id)::int')).toBe(1);
    expect(await workers.logged(`min(replace(id::text, '-', ''))`)).toBe(id.slice('job_'.length));
    expect(await workers.logged('count(coalesce(inputs, outputs, features))::int')).toBe(0);
    expect(await workers.logged(`min(row_index) filter (where status = 'error')`)).toBe(GUILTY);
    expect(await workers.logged(`count(*) filter (where error_code = 'inference_failed')::int`)).toBe(1);
    const keys: string[] = [];
    for await (const { key } of workers.blobs.list(`jobs/${id}/out/`)) keys.push(key);
    expect(keys).toEqual([`jobs/${id}/out/0.2.jsonl`]);
    const lines = await workers.lines(keys[0]);
    expect(lines.map(({ index }) => index)).toEqual(Array.from({ length: ROWS }, (_, index) => index));
    expect(lines[12]).toEqual({ index: 12, id: 'r12', output: { y: [24] } });
    expect(lines[GUILTY]).toMatchObject({ id: 'r13', error: { code: 'inference_failed' } });
  });
});

describe('a job', () => {
  it('whose version was replaced fails, and nothing of it is answered by another one', async () => {
    const id = await workers.job('another digest');
    await workers.runner().run(id, 0, noSignal());
    expect(await workers.store.find('', id)).toMatchObject({ status: 'failed', error: { code: 'model_gone' } });
    expect(executor.batches).toEqual([]);
  });

  it('leaves how fast the worker was behind', async () => {
    executor.lasts(workers.clock, () => 30);
    await workers.runner().run(await workers.job(), 0, noSignal());
    const rate = await workers.store.rates.read(workers.version.digest);
    expect(rate).toBeGreaterThan(1);
  });

  it('that is cancelled stops at the next heartbeat, and is cancelled', async () => {
    const id = await workers.job();
    executor.hang();
    const runner = workers.runner();
    const run = runner.run(id, 0, noSignal());
    await executor.hasStarted(1);
    await workers.store.cancel('', id);
    await runner.heartbeat();
    await run;
    expect(await workers.store.find('', id)).toMatchObject({ status: 'cancelled' });
    executor.release();
  });
});

describe('a row that kills its executor', () => {
  it('costs two processes and gets worker_crash, while every other row is answered', async () => {
    const entryPath = join(__dirname, 'execution-poison-entry.cjs');
    let deaths = 0;
    const onCrash = (): void => void (deaths += 1);
    await using pool = await PoolHarness.start({ entryPath, concurrency: 2, timings: { respawnMs: [0] }, onCrash });
    const columns = [{ name: 'x', dtype: 'FP32', shape: ['rows', 'columns'] }] as const;
    const signature = { inputs: columns, outputs: columns.map((column) => ({ ...column, name: 'y' })) };
    const version = await pool.write('echo', tiny.identity('FP32'), { signature });
    await using real = await Workers.over(pool.executor, version);
    const id = await real.job();
    await real.runner().run(id, 0, noSignal());
    expect(await real.store.find('', id)).toMatchObject({
      ...{ status: 'succeeded', succeeded: ROWS - 1, failed: 1 },
      sampleErrors: [{ index: GUILTY, id: 'r13', error: { code: 'worker_crash' } }],
    });
    expect(deaths).toBe(2);
    const lines = await real.lines(`jobs/${id}/out/0.1.jsonl`);
    expect(lines.map(({ index }) => index)).toEqual(Array.from({ length: ROWS }, (_, index) => index));
  });
});
