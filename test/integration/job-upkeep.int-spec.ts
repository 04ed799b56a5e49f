import { resultKey } from '@app/batch-jobs';
import { A_JOB, JobsBench, chunksOf, resultOf } from './jobs-bench';

let bench: JobsBench;
beforeAll(async () => {
  bench = await JobsBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
afterEach(() => bench.db.query('delete from job'));

const DUE = { windowChunks: 4, lookAgainMs: 0 };
const past = (column: string, id: string) =>
  bench.db.query(`update job set ${column} = now() - interval '1 second' where id = $1`, [id]);

describe('chunks that nobody claimed', () => {
  it('are due once their time is over, and not again when the queue has them', async () => {
    const { id, queue } = await bench.queued([1, 1]);
    expect(await bench.store.upkeep.dueChunks()).toEqual([]);
    await bench.makeDue(id, 1);
    expect(await bench.store.upkeep.dueChunks()).toEqual([queue[1]]);
    await bench.store.upkeep.postpone([queue[1]]);
    expect(await bench.store.upkeep.dueChunks()).toEqual([]);
  });

  it('get a new id once, however many see that the queue will not run the old one', async () => {
    const { id, queue } = await bench.queued([1, 1]);
    const all = await Promise.all([1, 2, 3].map(() => bench.store.upkeep.redispatch(queue)));
    expect(
      all
        .flat()
        .map(({ idx, dispatch }) => [idx, dispatch])
        .sort(),
    ).toEqual([
      [0, 1],
      [1, 1],
    ]);
    await bench.makeDue(id, 0);
    expect(await bench.store.upkeep.dueChunks()).toMatchObject([{ idx: 0, dispatch: 1 }]);
  });

  it('are left alone once they run, or their job has ended', async () => {
    const { id, queue } = await bench.queued([1, 1]);
    await bench.claimed(id, 0);
    expect(await bench.store.upkeep.redispatch([queue[0]])).toEqual([]);
    await bench.store.leases.fail(id, { code: 'model_gone', message: 'No.' });
    await bench.makeDue(id, 1);
    expect(await bench.store.upkeep.dueChunks()).toEqual([]);
    expect(await bench.store.upkeep.redispatch(queue)).toEqual([]);
    expect(await bench.store.upkeep.expireLeases()).toEqual([]);
  });

  it('wait longer each time the queue has given up', async () => {
    const { id } = await bench.queued([1]);
    const waitMs = async (): Promise<number> => {
      const { chunk } = await bench.claimed(id, 0);
      await bench.store.leases.release(chunk, { reason: 'failed', error: 'no' });
      return bench.value('select extract(epoch from due_at - now())::float8 * 1000 from job_chunk');
    };
    const waits = [];
    for (let each = 0; each < 6; each += 1) waits.push(Math.round((await waitMs()) / 600_000));
    expect(waits).toEqual([1, 1, 2, 2, 2, 4]);
  });
});

describe('leases that are over', () => {
  it('are counted as a crash once, by however many reconcilers', async () => {
    const { id } = await bench.queued([1, 1, 1]);
    for (const idx of [0, 1, 2]) await bench.claimed(id, idx);
    for (const idx of [0, 1, 2]) await bench.makeDue(id, idx);
    const all = await Promise.all([1, 2, 3, 4].map(() => bench.store.upkeep.expireLeases()));
    expect(all.flat()).toHaveLength(3);
    expect(await bench.value('select array_agg(crashes)::text from job_chunk')).toBe('{1,1,1}');
  });
});

describe('a deadline that is over', () => {
  it('ends the job, keeps what was finished, and frees who works on it', async () => {
    const { id } = await bench.queued([1, 1, 1], { deadlineAtMs: 1 });
    await bench.ran(id, 0);
    const { chunk } = await bench.claimed(id, 1);
    await bench.store.upkeep.endOverdue();
    expect(await bench.job(id)).toMatchObject({ status: 'expired', succeeded: 1, remaining: 2, error: undefined });
    expect(await bench.store.leases.heartbeat([chunk])).toEqual([chunk]);
    expect(await bench.value('select count(due_at)::int from job_chunk')).toBe(0);
  });

  it('does nothing to a job that has ended, or has none', async () => {
    const [{ id: ended }, { id: free }] = [await bench.queued([1], { deadlineAtMs: 1 }), await bench.queued([1])];
    await bench.ran(ended, 0);
    await bench.store.upkeep.endOverdue();
    expect([(await bench.job(ended)).status, (await bench.job(free)).status]).toEqual(['succeeded', 'queued']);
  });
});

describe('an upload that fell silent', () => {
  it('fails its job, frees the key, and its files are to be deleted', async () => {
    const { id } = await bench.begun({ idempotencyKey: 'k' });
    await bench.store.uploads.addChunks(id, chunksOf(id, [1]));
    expect(await bench.store.upkeep.endInterruptedUploads()).toEqual([]);
    const impatient = bench.storeWith({ uploadSilenceMs: -1 });
    expect(await impatient.upkeep.endInterruptedUploads()).toEqual([id]);
    expect(await bench.job(id)).toMatchObject({
      status: 'failed',
      error: { code: 'upload_interrupted' },
      total: undefined,
    });
    await bench.begun({ idempotencyKey: 'k' });
    expect(await bench.value('select count(*)::int from job_chunk')).toBe(0);
  });
});

describe('retention', () => {
  it('forgets results when their time is over, once, and the job later', async () => {
    const { id } = await bench.queued([2]);
    await bench.ran(id, 0, 1);
    expect(await bench.store.upkeep.forgetResults()).toEqual([]);
    await past('results_expire_at', id);
    expect(await bench.job(id)).toMatchObject({ resultsAreGone: true });
    expect(await bench.store.upkeep.forgetResults()).toEqual([id]);
    expect(await bench.store.upkeep.forgetResults()).toEqual([]);
    expect(await bench.job(id)).toMatchObject({ status: 'succeeded', succeeded: 1, failed: 1, resultsAreGone: true });
    expect(await bench.store.retry('acme', id)).toEqual({ outcome: 'results_gone' });
    expect(await bench.store.upkeep.deleteOldJobs()).toEqual([]);
    expect(await bench.storeWith({ jobsKeptMs: -1000 }).upkeep.deleteOldJobs()).toEqual([id]);
    expect(await bench.store.find('acme', id)).toBeUndefined();
  });
});

describe('files that no row names', () => {
  it('are told from inputs, results, what a running chunk writes, and what is no file of a chunk', async () => {
    const { id } = await bench.queued([1, 1]);
    await bench.ran(id, 0);
    await bench.claimed(id, 1);
    const { id: uploading } = await bench.begun();
    const result = (jobId: string, idx: number, epoch: number) => resultKey({ jobId, idx, epoch });
    const kept = [`jobs/${id}/in/0.jsonl`, result(id, 0, 1), result(id, 1, 1), `jobs/${uploading}/in/7.jsonl`];
    const orphans = [`jobs/${id}/in/9.jsonl`, result(id, 0, 2), result(`job_${'0'.repeat(32)}`, 0, 1)];
    const foreign = ['probe', 'jobs/../etc', `jobs/${id}/out/x.jsonl`];
    expect([...(await bench.store.upkeep.orphansAmong([...kept, ...orphans, ...foreign]))].sort()).toEqual(
      orphans.sort(),
    );
  });
});

describe('who reconciles', () => {
  it('is one at a time', async () => {
    const entered = Promise.withResolvers<void>();
    const leave = Promise.withResolvers<void>();
    const first = bench.store.upkeep.alone('records', () => (entered.resolve(), leave.promise));
    await entered.promise;
    expect(await bench.store.upkeep.alone('records', () => Promise.reject(new Error('both')))).toBe(false);
    expect(await bench.store.upkeep.alone('files', () => Promise.resolve())).toBe(true);
    leave.resolve();
    expect(await first).toBe(true);
    expect(await bench.store.upkeep.alone('records', () => Promise.resolve())).toBe(true);
  });
});

describe('a webhook', () => {
  const ended = async () => {
    const { id } = await bench.queued([2], { webhookUrl: 'https://example.com/hook' });
    await bench.ran(id, 0, 1);
    return id;
  };

  it('is left with the end of its job, thin, and only where somebody listens', async () => {
    const id = await ended();
    await bench.ran((await bench.queued([1])).id, 0);
    const deliveries = await bench.store.webhooks.takeDue(9, () => 60_000);
    expect(deliveries).toHaveLength(1);
    expect(deliveries[0]).toMatchObject({
      jobId: id,
      type: 'job.succeeded',
      url: 'https://example.com/hook',
      tries: 1,
    });
    expect(deliveries[0]?.id).toMatch(/^msg_[0-9a-f]{32}$/);
    expect(JSON.parse(deliveries[0]?.body ?? '')).toEqual({
      type: 'job.succeeded',
      timestamp: new Date((await bench.job(id)).finishedAtMs ?? 0).toISOString(),
      data: {
        ...{ id, status: 'succeeded', counts: { total: 2, succeeded: 1, failed: 1, remaining: 0 } },
        links: { self: `/v1/jobs/${id}`, results: `/v1/jobs/${id}/results` },
      },
    });
  });

  it('is taken once until its next try is due, and not after it was settled', async () => {
    await ended();
    const { webhooks } = bench.store;
    const all = await Promise.all([1, 2, 3].map(() => webhooks.takeDue(9, () => 0)));
    const [first] = all.flat();
    expect(all.flat().map(({ tries }) => tries)).toEqual(expect.arrayContaining([1]));
    const waits: number[] = [];
    const [again] = await webhooks.takeDue(9, (tries) => (waits.push(tries), 60_000));
    expect(again).toMatchObject({ id: first?.id, body: first?.body });
    expect(waits).toEqual([again?.tries]);
    expect(await webhooks.takeDue(9, () => 0)).toEqual([]);
    await bench.db.query('update webhook_delivery set next_at = now()');
    await webhooks.settle({ id: first?.id ?? '', status: 500, ends: false });
    await webhooks.settle({ id: first?.id ?? '', status: 200, ends: true });
    expect(await webhooks.takeDue(9, () => 0)).toEqual([]);
    expect(await bench.value('select last_status from webhook_delivery')).toBe(200);
  });

  it('comes with every end of a job, of each attempt', async () => {
    const id = await ended();
    await bench.store.retry(A_JOB.tenant, id);
    await bench.store.leases.commit(resultOf(await bench.claimed(id, 0)));
    const deliveries = await bench.store.webhooks.takeDue(9, () => 0);
    expect(deliveries.map(({ type }) => type)).toEqual(['job.succeeded', 'job.succeeded']);
    expect(new Set(deliveries.map((delivery) => delivery.id)).size).toBe(2);
  });
});

describe('the window', () => {
  it('is filled from the start of a retried job, and never holds more than it may', async () => {
    const store = bench.storeWith(DUE);
    const { id } = await bench.queued([1, 1, 1, 1, 1, 1]);
    for (const idx of [0, 1, 2, 3, 4, 5]) await bench.ran(id, idx, 1);
    const retry = await store.retry('acme', id);
    expect(retry).toMatchObject({ queue: [0, 1, 2, 3].map((idx) => ({ idx, dispatch: 1 })), job: { remaining: 6 } });
    expect(await bench.value('select count(due_at)::int from job_chunk')).toBe(4);
  });
});
