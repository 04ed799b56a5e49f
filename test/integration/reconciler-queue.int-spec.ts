import { ChunkRunner, type ChunkQueueData, JobQueue, Reconciler, RowInference, queueConnection } from '@app/batch-jobs';
import { type JsonRecord, type JsonValue, SystemClock } from '@app/core';
import { InMemoryBlobStore, eventually, opened } from '@app/testing';
import { Worker } from 'bullmq';
import { readResults } from '../../libs/batch-jobs/src/results/read-results';
import { JobsBench } from './jobs-bench';
import { QUEUE_BACKENDS, type QueueBackend } from './queue-backends';

/** Answers what it is asked, and runs no row before it is let. */
class GatedEcho extends RowInference {
  private readonly gate = Promise.withResolvers<void>();

  override async infer(rows: readonly JsonRecord[]): Promise<readonly JsonValue[]> {
    await this.gate.promise;
    return rows as readonly unknown[] as readonly JsonValue[];
  }

  open(): void {
    this.gate.resolve();
  }
}

const EVERY_MS = 50;
const ROWS_OF_A_CHUNK = 3;

describe.each(QUEUE_BACKENDS)('jobs with their queue on %s', (_, open) => {
  let backend: QueueBackend;
  let bench: JobsBench;
  let closes: (() => Promise<void>)[];
  beforeAll(async () => {
    [backend, bench] = [await open(), await JobsBench.open()];
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    closes = [];
  });
  afterEach(async () => {
    for (const close of closes.toReversed()) await close();
    await bench.db.query('delete from job');
  });

  const clock = new SystemClock();
  const closing = (name: string, close: () => Promise<void>): void => {
    const closed = opened(name);
    closes.push(() => close().then(closed));
  };

  async function queueIn(namespace: string): Promise<JobQueue> {
    const address = { ...backend.address, namespace };
    const queue = new JobQueue(address, { clock, whenDatabaseUp: () => Promise.resolve(), log: () => {} });
    closing('job queue', () => queue.close());
    queue.start();
    await queue.whenOpen();
    return queue;
  }

  /** Takes what is queued, and gives each chunk to `process`; built anew when its server has lost everything. */
  function working(namespace: string, process: (data: ChunkQueueData, signal?: AbortSignal) => Promise<unknown>) {
    const build = () => {
      const { options, factory } = queueConnection({ ...backend.address, namespace }, 'worker');
      const run = async ({ data }: { readonly data: ChunkQueueData }, _token?: string, signal?: AbortSignal) =>
        void (await process(data, signal));
      const worker = new Worker('chunks', run, { ...options, concurrency: 2 }, factory);
      worker.on('error', () => {});
      return worker;
    };
    let worker = build();
    const rebuild = async (): Promise<void> => {
      await worker.close(true).catch(() => {});
      await worker.disconnect().catch(() => {});
      worker = build();
    };
    closing('worker', () => worker.close(true));
    return { rebuild };
  }

  /** A reconciler that looks all the time. */
  function reconciling(queue: JobQueue, blobs: InMemoryBlobStore, lookAgainMs: number): void {
    const reconciler = new Reconciler({
      ...{ store: bench.storeWith({ lookAgainMs }), queue, blobs, clock, log: () => {} },
      webhooks: { sendDue: () => Promise.resolve(0) },
      database: { status: () => 'up', upForMs: () => Infinity },
      options: { everyMs: EVERY_MS, leaseMs: 30_000, orphanAgeMs: 3_600_000 },
    });
    closing('reconciler', () => reconciler.close());
    reconciler.start();
  }

  /** Submits a job of so many chunks, as a door does. */
  async function submitted(queue: JobQueue, blobs: InMemoryBlobStore, chunks: number): Promise<string> {
    const { id, queue: first } = await bench.queued(Array.from({ length: chunks }, () => ROWS_OF_A_CHUNK));
    for (let idx = 0; idx < chunks; idx += 1) {
      const rows = Array.from({ length: ROWS_OF_A_CHUNK }, (__, at) => idx * ROWS_OF_A_CHUNK + at);
      const lines = rows.map((i) => `${JSON.stringify({ i, id: `r${i}`, row: { of: id, i } })}\n`);
      await blobs.put(
        `jobs/${id}/in/${idx}.jsonl`,
        (async function* () {
          yield await Promise.resolve(Buffer.from(lines.join('')));
        })(),
      );
    }
    await queue.add(first);
    return id;
  }

  async function resultsOf(id: string, blobs: InMemoryBlobStore): Promise<string> {
    const chunks = await bench.store.finishedChunks({ jobId: id, from: 0, before: 1000 });
    async function* each() {
      for (const chunk of chunks) yield await Promise.resolve(chunk);
    }
    const pieces: Buffer[] = [];
    for await (const piece of readResults(each(), { from: 0, to: 1e9 }, blobs)) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  }

  it('end with complete and correct results though the queue is lost while ten of them run', async () => {
    const [blobs, echo] = [new InMemoryBlobStore(), new GatedEcho()];
    const { namespace } = backend.address;
    const queue = await queueIn(namespace);
    const store = bench.storeWith({ lookAgainMs: 500 });
    const runner = new ChunkRunner({
      ...{ store, blobs, inference: echo, clock, owner: 'w', concurrency: 2, rowsAtOnce: 64 },
      onDefect: (fault) => {
        throw fault;
      },
    });
    const ids = await Promise.all(Array.from({ length: 10 }, () => submitted(queue, blobs, 8)));
    // What was submitted is looked at again only in ten minutes, so that what follows is the work of the reconciler.
    const { rebuild } = working(namespace, async ({ jobId, idx }, signal) => {
      const next = await runner.run(jobId, idx, signal ?? new AbortController().signal);
      await queue.add(next ? [next] : []);
    });
    await eventually(() => runner.held === 2);
    await backend.wipe();
    echo.open();
    await bench.db.query("update job_chunk set due_at = now() where status = 'pending' and due_at is not null");
    await rebuild();
    reconciling(queue, blobs, 500);
    await eventually(async () => {
      const statuses = await Promise.all(ids.map(async (id) => (await bench.job(id)).status));
      expect(statuses).toEqual(ids.map(() => 'succeeded'));
    });
    for (const id of ids) {
      const rows = Array.from({ length: 8 * ROWS_OF_A_CHUNK }, (__, i) => i);
      const lines = rows.map((i) => `${JSON.stringify({ index: i, id: `r${i}`, output: { of: id, i } })}\n`);
      expect(await resultsOf(id, blobs)).toBe(lines.join(''));
      expect(await bench.job(id)).toMatchObject({ succeeded: 24, failed: 0, remaining: 0, chunksDone: 8 });
    }
  });

  it('queue no more chunks than fit into their windows, and duplicates that end at their claim', async () => {
    const queue = await queueIn('quayside_window');
    const store = bench.storeWith({ lookAgainMs: 0 });
    const jobs = await Promise.all([10, 3, 6].map((chunks) => bench.queued(Array.from({ length: chunks }, () => 1))));
    const queued = async () => (await queue.queue?.getJobCountByTypes('prioritized', 'waiting', 'delayed')) ?? 0;
    for (const job of jobs) await queue.add(job.queue);
    // Four of ten, all three, four of six: as many as the window holds, or as there are.
    expect(await queued()).toBe(4 + 3 + 4);
    let duplicates = 0;
    const worked = Promise.withResolvers<void>();
    const most = async (): Promise<number> => {
      const all = await Promise.all(jobs.map(({ id }) => bench.job(id)));
      return all.map(({ chunks, chunksDone }) => Math.min(4, chunks - chunksDone)).reduce((sum, left) => sum + left, 0);
    };
    let [done, excess] = [0, 0];
    working('quayside_window', async ({ jobId, idx }) => {
      const claimed = await store.leases.claim(jobId, idx, 'w');
      if (!claimed) return void (duplicates += 1);
      const { chunk } = claimed;
      const file = { resultKey: `jobs/${jobId}/out/${idx}.${chunk.epoch}.jsonl`, sha256: 's', sampleErrors: [] };
      const commit = await store.leases.commit({ ...chunk, ...file, okRows: 1, errRows: 0 });
      if (commit.outcome === 'committed' && commit.next) {
        await queue.add([commit.next]);
        // The reconciler found the same one due, and does not know that it was added.
        await queue.add([{ ...commit.next, dispatch: commit.next.dispatch + 1 }]);
        duplicates -= 1;
      }
      done += 1;
      excess = Math.max(excess, (await queued()) - (await most()) + duplicates);
      if (done === 19) worked.resolve();
    });
    await worked.promise;
    await eventually(() => duplicates === 0);
    expect(await queued()).toBe(0);
    // Another chunk may end between the two counts.
    expect(excess).toBeLessThanOrEqual(1);
    for (const { id } of jobs) expect((await bench.job(id)).status).toBe('succeeded');
  });

  it('are invisible to the workers of another deployment on the same server', async () => {
    const [one, other] = [await queueIn('deployment_one'), await queueIn('deployment_two')];
    const seen: Record<string, string[]> = { deployment_one: [], deployment_two: [] };
    for (const namespace of Object.keys(seen))
      working(namespace, ({ jobId }) => Promise.resolve(void seen[namespace]?.push(jobId)));
    const job = (letter: string) => `job_${letter.repeat(32)}`;
    const chunks = (letter: string) =>
      Array.from({ length: 20 }, (__, idx) => ({ jobId: job(letter), idx, dispatch: 0, class: 'normal' as const }));
    await Promise.all([one.add(chunks('a')), other.add(chunks('b'))]);
    await eventually(() => Object.values(seen).flat().length === 40);
    expect(new Set(seen['deployment_one'])).toEqual(new Set([job('a')]));
    expect(new Set(seen['deployment_two'])).toEqual(new Set([job('b')]));
    expect(await one.view(chunks('b'))).toMatchObject({ held: [], spent: [] });
  });
});
