import { type ChunkDispatch, type ChunkQueueData, JobQueue, type QueueAddress, queueConnection } from '@app/batch-jobs';
import { SystemClock } from '@app/core';
import { eventually, opened } from '@app/testing';
import { Worker } from 'bullmq';
import { FlakyProxy } from './flaky-proxy';
import { QUEUE_BACKENDS, type QueueBackend } from './queue-backends';

const JOBS = { a: `job_${'a'.repeat(32)}`, b: `job_${'b'.repeat(32)}` };
const chunk = (job: keyof typeof JOBS, idx: number, changes: Partial<ChunkDispatch> = {}): ChunkDispatch => ({
  ...{ jobId: JOBS[job], idx, dispatch: 0, class: 'normal' },
  ...changes,
});

describe.each(QUEUE_BACKENDS)('the job queue on %s', (_, open) => {
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

  /** A queue that has begun to connect, and what it said. */
  function starting(
    address: QueueAddress,
    { whenDatabaseUp = () => Promise.resolve(), activeTooLongMs = 180_000 } = {},
  ) {
    const events: string[] = [];
    const parts = {
      clock: new SystemClock(),
      whenDatabaseUp,
      activeTooLongMs,
      log: (_level: string, line: { event: string }) => events.push(line.event),
    };
    const queue = new JobQueue(address, parts);
    const closed = opened('job queue');
    closes.push(() => queue.close().then(closed));
    queue.start();
    return { queue, events };
  }

  async function opening(namespace: string): Promise<JobQueue> {
    const { queue } = starting({ ...backend.address, namespace });
    await queue.whenOpen();
    return queue;
  }

  /** Takes queue jobs one after the other and gives them as `a0`, in their order. */
  async function drained(namespace: string, count: number, fails = false): Promise<readonly string[]> {
    const { options, factory } = queueConnection({ ...backend.address, namespace }, 'worker');
    const seen: string[] = [];
    const worker = new Worker(
      'chunks',
      async ({ data }: { readonly data: ChunkQueueData }) => {
        seen.push(`${Object.entries(JOBS).find(([, id]) => id === data.jobId)?.[0] ?? '?'}${data.idx}`);
        if (fails) throw new Error('No.');
      },
      { ...options, concurrency: 1 },
      factory,
    );
    worker.on('error', () => {});
    const closed = opened('worker');
    await eventually(() => seen.length >= count);
    await worker.close();
    closed();
    return seen;
  }

  it('runs the job that was served least first, in order of arrival, and classes strictly', async () => {
    const queue = await opening('order');
    await queue.add([5, 0, 1, 2].map((idx) => chunk('a', idx)));
    await queue.add([chunk('b', 0), chunk('b', 1), chunk('b', 9, { class: 'high' })]);
    await queue.add([chunk('a', 1, { class: 'low', dispatch: 7 })]);
    expect(await drained('order', 8)).toEqual(['b9', 'a0', 'b0', 'a1', 'b1', 'a2', 'a5', 'a1']);
  });

  it('lets ten chunks of a new job run before the next of one that is past its tenth', async () => {
    const queue = await opening('fair');
    await queue.add(Array.from({ length: 20 }, (_, at) => chunk('a', at + 11)));
    await queue.add(Array.from({ length: 10 }, (_, at) => chunk('b', at)));
    expect((await drained('fair', 30)).slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, at) => `b${at}`));
  });

  it('takes an id once, and the same chunk again under another dispatch', async () => {
    const queue = await opening('once');
    for (let each = 0; each < 3; each += 1) expect(await queue.add([chunk('a', 0), chunk('a', 1)])).toBe(true);
    expect(await queue.queue?.getJobCountByTypes('prioritized')).toBe(2);
    await queue.add([chunk('a', 0, { dispatch: 1 })]);
    expect(await queue.queue?.getJobCountByTypes('prioritized')).toBe(3);
  });

  it('holds ids alone, and never priority 0', async () => {
    const queue = await opening('content');
    await queue.add([chunk('a', 3, { class: 'high' })]);
    const [job] = (await queue.queue?.getJobs(['prioritized'])) ?? [];
    expect(job?.data).toEqual({ jobId: JOBS.a, idx: 3 });
    expect(job?.opts.priority).toBe(4);
  });

  it('tells what waits from what is missing and from what has failed', async () => {
    const queue = await opening('view');
    const [waiting, missing, failed] = [chunk('a', 0), chunk('a', 1), chunk('a', 2)];
    await queue.queue?.add('chunks', { jobId: JOBS.a, idx: 2 }, { jobId: `${JOBS.a}-2-0`, attempts: 1 });
    await drained('view', 1, true);
    await queue.add([waiting]);
    expect(await queue.view([waiting, missing, failed])).toEqual({
      ...{ held: [waiting], missing: [missing], spent: [failed] },
    });
    // The queue keeps failed jobs, and takes no other under their id.
    await queue.add([failed]);
    expect(await queue.view([failed])).toMatchObject({ spent: [failed] });
  });

  it('gives up what a worker took and nobody claimed, after the time that it was given', async () => {
    const address = { ...backend.address, namespace: 'taken' };
    const [patient, { queue: hasty }] = [await opening('taken'), starting(address, { activeTooLongMs: -1 })];
    await hasty.whenOpen();
    await patient.add([chunk('a', 0)]);
    const { options, factory } = queueConnection(address, 'worker');
    const [taken, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const run = (): Promise<void> => (taken.resolve(), over.promise);
    const worker = new Worker('chunks', run, { ...options, concurrency: 1 }, factory);
    worker.on('error', () => {});
    await taken.promise;
    expect(await patient.view([chunk('a', 0)])).toMatchObject({ held: [chunk('a', 0)] });
    expect(await hasty.view([chunk('a', 0)])).toMatchObject({ spent: [chunk('a', 0)] });
    over.resolve();
    await worker.close();
  });

  it('keeps nothing of what is done, so that a later attempt may add it', async () => {
    const queue = await opening('done');
    await queue.add([chunk('a', 0)]);
    await drained('done', 1);
    expect(await queue.view([chunk('a', 0)])).toMatchObject({ missing: [chunk('a', 0)] });
  });

  it('is another one in another namespace', async () => {
    const [one, other] = [await opening('one'), await opening('other')];
    await one.add([chunk('a', 0)]);
    expect(await other.view([chunk('a', 0)])).toMatchObject({ missing: [chunk('a', 0)] });
    expect(await one.view([chunk('a', 0)])).toMatchObject({ held: [chunk('a', 0)] });
  });

  it('is usable again after all of it was lost', async () => {
    const { queue } = starting(backend.address);
    await queue.whenOpen();
    await queue.add([chunk('a', 0)]);
    await backend.wipe();
    // On PostgreSQL the tables are gone with the rows: the first call finds that out.
    const view = await eventually(() => queue.view([chunk('a', 0)]));
    expect(view).toMatchObject({ missing: [chunk('a', 0)] });
    expect(await queue.add([chunk('a', 0)])).toBe(true);
    expect(await queue.view([chunk('a', 0)])).toMatchObject({ held: [chunk('a', 0)] });
  });

  it('is not touched before the database answers', async () => {
    await using proxy = await FlakyProxy.to(backend.target);
    const up = Promise.withResolvers<void>();
    const { queue } = starting(backend.through(proxy.port), { whenDatabaseUp: () => up.promise });
    expect(await queue.add([chunk('a', 0)])).toBe(false);
    await expect(queue.view([chunk('a', 0)])).rejects.toThrow('not open yet');
    expect(proxy.connections).toBe(0);
    up.resolve();
    await queue.whenOpen();
    expect(await queue.add([chunk('a', 0)])).toBe(true);
    await queue.close();
  });

  it('comes up after a first connection that failed', async () => {
    await using proxy = await FlakyProxy.to(backend.target);
    proxy.cut();
    const { queue, events } = starting(backend.through(proxy.port));
    await eventually(() => events.includes('job_queue_unavailable'));
    proxy.restore();
    await queue.whenOpen();
    expect(await queue.add([chunk('b', 0)])).toBe(true);
    expect(events.at(-1)).toBe('job_queue_open');
    await queue.close();
  });

  it('says within seconds that nobody knows, when the server hangs, and closes all the same', async () => {
    await using proxy = await FlakyProxy.to(backend.target);
    const { queue, events } = starting(backend.through(proxy.port));
    await queue.whenOpen();
    proxy.freeze();
    expect(await queue.add([chunk('b', 7)])).toBe(false);
    expect(events).toContain('job_queue_add_failed');
    await queue.close();
  });

  it('goes on by itself after its connections broke', async () => {
    await using proxy = await FlakyProxy.to(backend.target);
    const { queue } = starting(backend.through(proxy.port));
    await queue.whenOpen();
    proxy.cut();
    proxy.restore();
    expect(await eventually(() => queue.add([chunk('b', 1)]))).toBe(true);
    await queue.close();
  });
});
