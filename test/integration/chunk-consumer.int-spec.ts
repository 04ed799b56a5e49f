import {
  type ChunkDispatch,
  ChunkConsumer,
  type ChunkProcessor,
  JobQueue,
  type QueueAddress,
  chunkWorker,
} from '@app/batch-jobs';
import { SystemClock } from '@app/core';
import { eventually, opened } from '@app/testing';
import { FlakyProxy } from './flaky-proxy';
import { QUEUE_BACKENDS, type QueueBackend } from './queue-backends';

const JOB = `job_${'c'.repeat(32)}`;
const chunk = (idx: number): ChunkDispatch => ({ jobId: JOB, idx, dispatch: 0, class: 'normal' });
const clock = new SystemClock();

describe.each(QUEUE_BACKENDS)('the consumer of chunks on %s', (_, open) => {
  let backend: QueueBackend;
  let closes: (() => Promise<void>)[];
  beforeAll(async () => {
    backend = await open();
  });
  afterAll(() => backend[Symbol.asyncDispose]());
  beforeEach(() => {
    closes = [];
  });
  afterEach(async () => {
    for (const close of closes.toReversed()) await close();
  });

  async function queueAt(address: QueueAddress): Promise<JobQueue> {
    const queue = new JobQueue(address, { clock, whenDatabaseUp: () => Promise.resolve(), log: () => {} });
    const closed = opened('job queue');
    closes.push(() => queue.close().then(closed));
    queue.start();
    await queue.whenOpen();
    return queue;
  }

  function consumerAt(address: QueueAddress, process: ChunkProcessor, concurrency = 1) {
    const events: string[] = [];
    const consumer = new ChunkConsumer({
      ...{ clock, concurrency, process, whenDatabaseUp: () => Promise.resolve() },
      build: (parts) => chunkWorker({ ...parts, address, concurrency }),
      ...{ waiting: () => Promise.resolve(0), gaveUp: () => {}, log: (_level, { event }) => void events.push(event) },
    });
    const closed = opened('chunk consumer');
    closes.push(() => consumer.close().then(closed));
    consumer.start();
    return { consumer, events };
  }

  it('runs as many at once as it may, and each once', async () => {
    const address = { ...backend.address, namespace: 'at_once' };
    const queue = await queueAt(address);
    await queue.add([0, 1, 2, 3].map(chunk));
    const [seen, gate] = [[] as number[], Promise.withResolvers<void>()];
    const { consumer } = consumerAt(
      address,
      async ({ idx }) => {
        seen.push(idx);
        await gate.promise;
      },
      2,
    );
    await eventually(() => consumer.active === 2);
    expect(seen.toSorted()).toEqual([0, 1]);
    gate.resolve();
    // Two places fall free at once: who takes the next first is open.
    await eventually(() => expect(seen.toSorted()).toEqual([0, 1, 2, 3]));
    await consumer.whenIdle();
    await eventually(async () => expect(await queue.view([0, 1, 2, 3].map(chunk))).toMatchObject({ held: [] }));
  });

  it('stops what runs, and takes nothing more, when it is told', async () => {
    const address = { ...backend.address, namespace: 'stopping' };
    const queue = await queueAt(address);
    await queue.add([0, 1].map(chunk));
    const seen: number[] = [];
    const { consumer } = consumerAt(address, ({ idx }, signal) => {
      seen.push(idx);
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    });
    await eventually(() => consumer.active === 1);
    await consumer.pause();
    consumer.stop();
    await consumer.whenIdle();
    await consumer.close();
    expect(seen).toEqual([0]);
    expect(await queue.view([chunk(0), chunk(1)])).toMatchObject({ missing: [chunk(0)], held: [chunk(1)] });
  });

  it('has what failed tried again', async () => {
    const address = { ...backend.address, namespace: 'again' };
    const queue = await queueAt(address);
    await queue.add([chunk(0)]);
    let tries = 0;
    consumerAt(address, () => {
      tries += 1;
      return tries === 1 ? Promise.reject(new Error('The disk is full.')) : Promise.resolve();
    });
    await eventually(() => expect(tries).toBe(2));
  });

  it('comes up after a first connection that failed, and goes on after its connections broke', async () => {
    await using proxy = await FlakyProxy.to(backend.target);
    proxy.cut();
    const seen: number[] = [];
    const queue = await queueAt(backend.address);
    const { consumer, events } = consumerAt(backend.through(proxy.port), ({ idx }) => {
      seen.push(idx);
      return Promise.resolve();
    });
    await eventually(() => events.includes('chunk_worker_unavailable'));
    proxy.restore();
    await queue.add([chunk(0)]);
    await eventually(() => expect(seen).toEqual([0]));
    proxy.cut();
    proxy.restore();
    await queue.add([chunk(1)]);
    await eventually(() => expect(seen).toEqual([0, 1]));
    await consumer.close();
  });

  it('closes within seconds where the server hangs', async () => {
    await using proxy = await FlakyProxy.to(backend.target);
    const { consumer, events } = consumerAt(backend.through(proxy.port), () => Promise.resolve());
    await eventually(() => events.includes('chunk_worker_open'));
    proxy.freeze();
    await consumer.close();
  });
});
