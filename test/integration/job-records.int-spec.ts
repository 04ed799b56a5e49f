import type { JobDatabase } from '@app/batch-jobs';
import { QuaysideError } from '@app/core';
import { A_JOB, JobsBench, chunksOf, resultOf } from './jobs-bench';

let bench: JobsBench;
beforeAll(async () => {
  bench = await JobsBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
afterEach(() => bench.db.query('delete from job'));

const counts = async (id: string) => {
  const { total, succeeded, failed, remaining } = await bench.job(id);
  return { total, succeeded, failed, remaining };
};

describe('an upload', () => {
  it('becomes a queued job whose first chunks, and no more, are to be queued', async () => {
    const { id, queue } = await bench.queued([5, 5, 5, 5, 5, 2], { class: 'high' });
    expect(queue).toEqual([0, 1, 2, 3].map((idx) => ({ jobId: id, idx, dispatch: 0, class: 'high' })));
    expect(await bench.job(id)).toMatchObject({
      ...{ status: 'queued', total: 27, remaining: 27, chunks: 6, enqueuedTo: 4, attempt: 1, version: 2 },
      ...{ params: { top_k: 1 }, metadata: {}, bodyHash: 'h', startedAtMs: undefined },
    });
  });

  it('has no total before its end, and an id that sorts by its time', async () => {
    const [first, second] = [await bench.begun(), await bench.begun()];
    expect(first).toMatchObject({ status: 'validating', total: undefined, remaining: undefined, version: 1 });
    expect(first.id).toMatch(/^job_[0-9a-f]{32}$/);
    expect(first.id < second.id).toBe(true);
  });

  it('without rows has succeeded at once', async () => {
    const { id, queue } = await bench.queued([]);
    expect(queue).toEqual([]);
    expect(await bench.job(id)).toMatchObject({ status: 'succeeded', total: 0, remaining: 0 });
  });

  it('makes one job of fifty with one key', async () => {
    const job = { ...A_JOB, idempotencyKey: 'k' };
    const limits = { activeJobs: 100, queuedRows: 100 };
    const all = await Promise.all(Array.from({ length: 50 }, () => bench.store.uploads.begin(job, limits)));
    expect(all.filter(({ outcome }) => outcome === 'begun')).toHaveLength(1);
    expect(new Set(all.map((each) => 'job' in each && each.job.id)).size).toBe(1);
  });

  it('keeps the keys of tenants apart', async () => {
    const one = await bench.begun({ idempotencyKey: 'k' });
    const other = await bench.begun({ idempotencyKey: 'k', tenant: 'other' });
    expect(one.id).not.toBe(other.id);
  });

  it('frees its key when it is discarded', async () => {
    await bench.store.uploads.discard((await bench.begun({ idempotencyKey: 'k' })).id);
    await bench.begun({ idempotencyKey: 'k' });
  });

  it('is refused to a tenant with too many jobs or rows, not to others', async () => {
    await bench.queued([9]);
    const { uploads } = bench.store;
    expect(await uploads.begin(A_JOB, { activeJobs: 1, queuedRows: 100 })).toEqual({ outcome: 'too_many_jobs' });
    expect(await uploads.begin(A_JOB, { activeJobs: 9, queuedRows: 9 })).toEqual({ outcome: 'too_many_rows' });
    const other = { ...A_JOB, tenant: 'other' };
    expect(await uploads.begin(other, { activeJobs: 1, queuedRows: 1 })).toMatchObject({ outcome: 'begun' });
  });

  it('is told to stop once its job has ended', async () => {
    const { id } = await bench.begun();
    await bench.store.cancel('acme', id);
    expect(await bench.store.uploads.touch(id)).toBe(false);
    expect(await bench.store.uploads.addChunks(id, chunksOf(id, [1]))).toBe(false);
    expect(await bench.store.uploads.seal({ id, total: 1, bodyHash: 'h' })).toBeUndefined();
  });

  it('may be sealed again when nobody knows what became of it', async () => {
    const { id, queue } = await bench.queued([1, 1]);
    expect(await bench.store.uploads.seal({ id, total: 2, bodyHash: 'h' })).toEqual(queue);
    expect(await bench.job(id)).toMatchObject({ status: 'queued', version: 2 });
  });

  it('is not sealed when a chunk or a row is missing', async () => {
    const { id } = await bench.begun();
    await bench.store.uploads.addChunks(id, chunksOf(id, [1, 1]));
    await expect(bench.store.uploads.seal({ id, total: 3, bodyHash: 'h' })).rejects.toThrow('its chunks do not');
    expect(await bench.job(id)).toMatchObject({ status: 'validating', total: undefined });
  });
});

describe('a chunk', () => {
  it('is claimed by one of many, and starts its job', async () => {
    const { id } = await bench.queued([3]);
    const claims = await Promise.all(['a', 'b', 'c', 'd'].map((w) => bench.store.leases.claim(id, 0, w)));
    const won = claims.filter((claim) => claim !== undefined);
    expect(won).toHaveLength(1);
    expect(won[0]).toMatchObject({ chunk: { epoch: 1, rows: 3, badRows: [] }, job: { params: { top_k: 1 } } });
    expect((await bench.job(id)).startedAtMs).toBeGreaterThan(0);
  });

  it('counts when it is committed, opens the window by one, and the last one ends the job', async () => {
    const { id } = await bench.queued([2, 2, 2, 2, 2]);
    const commit = await bench.store.leases.commit(resultOf(await bench.claimed(id, 0), 1));
    expect(commit).toEqual({ outcome: 'committed', next: { jobId: id, idx: 4, dispatch: 0, class: 'normal' } });
    expect(await counts(id)).toEqual({ total: 10, succeeded: 1, failed: 1, remaining: 8 });
    for (const idx of [1, 2, 3, 4]) await bench.ran(id, idx);
    expect(await bench.job(id)).toMatchObject({ status: 'succeeded', succeeded: 9, failed: 1, remaining: 0 });
    expect((await bench.job(id)).resultsExpireAtMs).toBeGreaterThan((await bench.job(id)).finishedAtMs ?? 0);
  });

  it('is committed once: by whom the epoch names, and not by whom it was taken from', async () => {
    const { id } = await bench.queued([2]);
    const slow = await bench.claimed(id, 0, 'slow');
    await bench.makeDue(id, 0);
    expect(await bench.store.upkeep.expireLeases()).toEqual([{ jobId: id, idx: 0, dispatch: 1, class: 'normal' }]);
    const fast = await bench.claimed(id, 0, 'fast');
    expect(fast.chunk).toMatchObject({ epoch: 2, crashes: 1 });
    const { leases } = bench.store;
    expect(await leases.commit(resultOf(slow))).toEqual({ outcome: 'lost' });
    expect(await leases.commit(resultOf(fast))).toMatchObject({ outcome: 'committed' });
    expect(await leases.commit(resultOf(slow))).toEqual({ outcome: 'lost' });
    expect(await counts(id)).toEqual({ total: 2, succeeded: 2, failed: 0, remaining: 0 });
  });

  it('keeps a late holder while nobody has taken it', async () => {
    const { id } = await bench.queued([2]);
    const { chunk } = await bench.claimed(id, 0);
    await bench.makeDue(id, 0);
    expect(await bench.store.leases.heartbeat([chunk])).toEqual([]);
    expect(await bench.store.upkeep.expireLeases()).toEqual([]);
  });

  it('is to stop when it was lost, or its job cancelled or ended', async () => {
    const { id } = await bench.queued([1, 1, 1]);
    const held = [(await bench.claimed(id, 0)).chunk, (await bench.claimed(id, 1)).chunk];
    expect(await bench.store.leases.heartbeat([held[0], { ...held[1], epoch: 9 }])).toMatchObject([{ idx: 1 }]);
    await bench.store.cancel('acme', id);
    expect(await bench.store.leases.heartbeat(held)).toHaveLength(2);
  });

  it('of a transient failure waits for the queue to try again, and opens no new id', async () => {
    const { id } = await bench.queued([1]);
    const { chunk } = await bench.claimed(id, 0);
    expect(await bench.store.leases.release(chunk, { reason: 'failed', error: 'disk\u0000 full' })).toBeUndefined();
    expect((await bench.claimed(id, 0)).chunk).toMatchObject({
      failures: 1,
      crashes: 0,
      dispatch: 0,
      lastError: 'disk full',
    });
  });

  it('that a stopping worker gives back is queued under a new id, and no failure is counted', async () => {
    const { id } = await bench.queued([1]);
    const { chunk } = await bench.claimed(id, 0);
    const again = await bench.store.leases.release(chunk, { reason: 'stopped' });
    expect(again).toMatchObject({ dispatch: 1 });
    expect((await bench.claimed(id, 0)).chunk).toMatchObject({ failures: 0, crashes: 0 });
  });

  it('remembers the row that a worker died of', async () => {
    const { id } = await bench.queued([9]);
    const first = await bench.claimed(id, 0);
    expect(await bench.store.leases.probe(first.chunk, 4)).toBe(true);
    await bench.makeDue(id, 0);
    await bench.store.upkeep.expireLeases();
    expect(await bench.store.leases.probe(first.chunk, 5)).toBe(false);
    const second = await bench.claimed(id, 0);
    expect(second.chunk).toMatchObject({ badRows: [4], crashes: 1 });
    await bench.store.leases.probe(second.chunk, 5);
    await bench.store.leases.probe(second.chunk, undefined);
    await bench.makeDue(id, 0);
    await bench.store.upkeep.expireLeases();
    expect((await bench.claimed(id, 0)).chunk).toMatchObject({ badRows: [4], crashes: 2 });
  });

  it.each(['failures', 'crashes'])('is given up after 8 %s, with all its rows', async (column) => {
    const { id } = await bench.queued([3, 3]);
    await bench.ran(id, 1);
    await bench.db.query(`update job_chunk set ${column} = 7 where job_id = $1 and idx = 0`, [id]);
    const { chunk } = await bench.claimed(id, 0);
    if (column === 'failures') await bench.store.leases.release(chunk, { reason: 'failed', error: 'no' });
    await bench.makeDue(id, 0);
    expect(await bench.store.upkeep.expireLeases()).toEqual([]);
    expect(await bench.store.leases.claim(id, 0, 'w')).toBeUndefined();
    expect(await bench.store.upkeep.dueChunks()).toEqual([]);
    await bench.store.upkeep.giveUpHopeless();
    expect(await bench.job(id)).toMatchObject({ status: 'succeeded', succeeded: 3, failed: 3, remaining: 0 });
    expect(await bench.store.deadChunks({ limit: 9 })).toMatchObject([{ jobId: id, idx: 0, status: 'dead' }]);
  });

  it('moves the window on when it is given up', async () => {
    const { id } = await bench.queued([1, 1, 1, 1, 1]);
    await bench.ran(id, 3);
    await bench.db.query('update job_chunk set crashes = 8, due_at = now() where job_id = $1 and idx = 0', [id]);
    expect(await bench.store.upkeep.giveUpHopeless()).toEqual({ chunks: 1, next: [] });
    expect((await bench.job(id)).enqueuedTo).toBe(5);
  });
});

describe('a commit whose answer is lost', () => {
  /** Ends the next transactions as a connection that breaks does: after the commit, or before. */
  const breaking = (breaks: ('after' | 'before')[]): JobDatabase => ({
    query: (sql, params) => bench.db.query(sql, params),
    transaction: async (work) => {
      const when = breaks.shift();
      const broken = new QuaysideError('database_unavailable', 'Gone.');
      if (when === 'before') throw broken;
      const result = await bench.db.transaction(work);
      if (when === 'after') throw broken;
      return result;
    },
  });

  it.each(['after', 'before'] as const)('counts once: the connection broke %s it', async (when) => {
    const { id } = await bench.queued([2]);
    const result = resultOf(await bench.claimed(id, 0));
    const store = bench.storeWith({}, breaking([when]));
    expect(await store.leases.commit(result)).toMatchObject({ outcome: 'committed' });
    expect(await counts(id)).toEqual({ total: 2, succeeded: 2, failed: 0, remaining: 0 });
  });

  it('is never called lost while it is unknown', async () => {
    const { id } = await bench.queued([2]);
    const result = resultOf(await bench.claimed(id, 0));
    const store = bench.storeWith({}, breaking(['after', 'before']));
    await expect(store.leases.commit(result)).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await bench.store.leases.commit(result)).toMatchObject({ outcome: 'committed' });
  });
});

describe('a cancel', () => {
  it('ends a job at once when nothing of it runs, and stays as it is when it comes again', async () => {
    const { id } = await bench.queued([1, 1]);
    await bench.ran(id, 0);
    expect(await bench.store.cancel('acme', id)).toMatchObject({ status: 'cancelled', succeeded: 1, remaining: 1 });
    const { version } = await bench.job(id);
    expect(await bench.store.cancel('acme', id)).toMatchObject({ status: 'cancelled', version });
    expect(await bench.store.leases.claim(id, 1, 'w')).toBeUndefined();
  });

  it('waits for what runs, whose results count, and then ends the job', async () => {
    const { id } = await bench.queued([1, 1, 1]);
    const [first, second] = [await bench.claimed(id, 0), await bench.claimed(id, 1)];
    expect(await bench.store.cancel('acme', id)).toMatchObject({ status: 'cancelling' });
    expect(await bench.store.leases.claim(id, 2, 'w')).toBeUndefined();
    expect(await bench.store.leases.commit(resultOf(first))).toEqual({ outcome: 'committed', next: undefined });
    expect((await bench.job(id)).status).toBe('cancelling');
    expect(await bench.store.leases.release(second.chunk, { reason: 'stopped' })).toBeUndefined();
    expect(await bench.job(id)).toMatchObject({ status: 'cancelled', succeeded: 1, remaining: 2 });
  });

  it('is finished by the reconciler when the worker is dead', async () => {
    const { id } = await bench.queued([1]);
    await bench.claimed(id, 0);
    await bench.store.cancel('acme', id);
    await bench.store.upkeep.endCancelled();
    expect((await bench.job(id)).status).toBe('cancelling');
    await bench.makeDue(id, 0);
    expect(await bench.store.upkeep.expireLeases()).toEqual([]);
    await bench.store.upkeep.endCancelled();
    expect((await bench.job(id)).status).toBe('cancelled');
  });
});

describe('a retry', () => {
  it('runs failed rows and dead chunks again, and keeps what succeeded', async () => {
    const { id } = await bench.queued([3, 3, 3]);
    await bench.ran(id, 0);
    await bench.ran(id, 1, 2);
    await bench.db.query('update job_chunk set crashes = 8, due_at = now() where job_id = $1 and idx = 2', [id]);
    await bench.store.upkeep.giveUpHopeless();
    const before = await bench.job(id);
    expect(before).toMatchObject({ status: 'succeeded', succeeded: 4, failed: 5 });
    expect(before.sampleErrors).toHaveLength(2);
    const retry = await bench.store.retry('acme', id);
    expect(retry).toMatchObject({
      outcome: 'retried',
      job: { status: 'queued', attempt: 2, succeeded: 4, failed: 0, remaining: 5, sampleErrors: [], answeredBefore: 4 },
      queue: [
        { idx: 1, dispatch: 1 },
        { idx: 2, dispatch: 1 },
      ],
    });
    expect((await bench.claimed(id, 1)).chunk).toMatchObject({ okRows: 1, errRows: 2, crashes: 0 });
    expect(await bench.store.leases.claim(id, 0, 'w')).toBeUndefined();
  });

  it('counts each row once, whatever becomes of it', async () => {
    const { id } = await bench.queued([4]);
    await bench.ran(id, 0, 3);
    await bench.store.retry('acme', id);
    await bench.ran(id, 0, 1);
    expect(await bench.job(id)).toMatchObject({
      status: 'succeeded',
      attempt: 2,
      succeeded: 3,
      failed: 1,
      remaining: 0,
    });
    await bench.store.retry('acme', id);
    await bench.claimed(id, 0);
    await bench.db.query('update job_chunk set crashes = 7 where job_id = $1', [id]);
    await bench.makeDue(id, 0);
    await bench.store.upkeep.expireLeases();
    await bench.store.upkeep.giveUpHopeless();
    expect(await bench.job(id)).toMatchObject({
      status: 'succeeded',
      attempt: 3,
      succeeded: 3,
      failed: 1,
      remaining: 0,
    });
  });

  it('is refused while the job goes on, when nothing failed, and for another tenant', async () => {
    const { id } = await bench.queued([1]);
    expect(await bench.store.retry('acme', id)).toEqual({ outcome: 'not_ended' });
    await bench.ran(id, 0);
    expect(await bench.store.retry('acme', id)).toEqual({ outcome: 'nothing_failed' });
    expect(await bench.store.retry('other', id)).toEqual({ outcome: 'not_found' });
  });

  it('takes no result of the attempt before', async () => {
    const { id } = await bench.queued([2, 2], { deadlineAtMs: 1 });
    await bench.ran(id, 0, 1);
    const zombie = await bench.claimed(id, 1);
    await bench.store.upkeep.endOverdue();
    expect(await bench.store.retry('acme', id)).toMatchObject({ job: { deadlineAtMs: undefined, remaining: 3 } });
    await bench.ran(id, 0);
    expect(await bench.store.leases.commit(resultOf(zombie))).toEqual({ outcome: 'lost' });
    await bench.ran(id, 1);
    expect(await bench.job(id)).toMatchObject({ status: 'succeeded', succeeded: 4 });
  });
});

describe('too many errors', () => {
  it('fail the job from a thousand rows on', async () => {
    const { id } = await bench.queued([900, 100, 100], { maxErrorRate: 0.05 });
    await bench.ran(id, 0, 90);
    expect((await bench.job(id)).status).toBe('running');
    const late = await bench.claimed(id, 2);
    await bench.ran(id, 1);
    expect(await bench.job(id)).toMatchObject({ status: 'failed', error: { code: 'max_error_rate' }, remaining: 100 });
    expect(await bench.store.leases.commit(resultOf(late))).toEqual({ outcome: 'lost' });
  });
});

describe('sample errors', () => {
  it('are the first twenty by index, without what jsonb refuses', async () => {
    const { id } = await bench.queued([30, 30]);
    await bench.ran(id, 1, 30);
    const result = resultOf(await bench.claimed(id, 0), 1);
    const [sample] = result.sampleErrors;
    const odd = { ...sample, id: 'a\u0000b', error: { code: 'c', message: 'x\ud800y' } };
    await bench.store.leases.commit({ ...result, sampleErrors: [odd] });
    const { sampleErrors } = await bench.job(id);
    expect(sampleErrors).toHaveLength(20);
    expect(sampleErrors[0]).toEqual({ index: 0, id: 'ab', error: { code: 'c', message: 'x\ufffdy' } });
    expect(sampleErrors[19]?.index).toBe(48);
  });
});

describe('what is read', () => {
  it('is listed newest first, by pages and filters, and to its tenant alone', async () => {
    const ids = [];
    for (const model of ['a', 'b', 'a']) ids.push((await bench.begun({ model })).id);
    const list = async (query: object) =>
      (await bench.store.list({ tenant: 'acme', limit: 9, ...query })).map(({ id }) => id);
    expect(await list({})).toEqual(ids.toReversed());
    expect(await list({ limit: 1, after: ids[2] })).toEqual([ids[1]]);
    expect(await list({ model: 'a' })).toEqual([ids[2], ids[0]]);
    expect(await list({ status: 'queued' })).toEqual([]);
    expect(await list({ tenant: 'other' })).toEqual([]);
    expect(await bench.store.find('other', ids[0])).toBeUndefined();
  });

  it('is the finished prefix while the job goes on, and all that was run once it has ended', async () => {
    const { id } = await bench.queued([1, 1, 1, 1]);
    for (const idx of [0, 1, 3]) await bench.ran(id, idx);
    const plan = await bench.store.resultsPlan('acme', id);
    expect(plan).toMatchObject({ endChunk: 2, job: { status: 'running' } });
    const idxs = async (before: number, from = 0, limit = 9) =>
      (await bench.store.finishedChunks({ jobId: id, from, before, limit })).map(({ idx }) => idx);
    expect(await idxs(plan?.endChunk ?? 0)).toEqual([0, 1]);
    await bench.store.cancel('acme', id);
    expect(await bench.store.resultsPlan('acme', id)).toMatchObject({ endChunk: 4 });
    expect(await idxs(4)).toEqual([0, 1, 3]);
    expect(await idxs(4, 1, 1)).toEqual([1]);
    expect(await bench.store.resultsPlan('other', id)).toBeUndefined();
  });

  it('tells the versions of many jobs at once', async () => {
    const [{ id }, other] = [await bench.queued([1]), await bench.begun()];
    const versions = await bench.store.versionsOf([id, other.id, 'job_none']);
    expect([...versions]).toEqual(
      expect.arrayContaining([
        [id, 2],
        [other.id, 1],
      ]),
    );
    expect(versions.size).toBe(2);
  });
});

describe('removing', () => {
  it('deletes a job that has ended, with all its rows, and none that goes on', async () => {
    const { id } = await bench.queued([1], { webhookUrl: 'https://example.com/' });
    expect(await bench.store.remove('acme', id)).toBe('not_ended');
    await bench.ran(id, 0);
    expect(await bench.store.remove('other', id)).toBe('not_found');
    expect(await bench.store.remove('acme', id)).toBe('removed');
    const left = 'select (select count(*) from job_chunk)::int + (select count(*) from webhook_delivery)::int';
    expect(await bench.value(left)).toBe(0);
  });
});

describe('how fast a model runs', () => {
  it('is a moving average', async () => {
    expect(await bench.store.rates.read('d')).toBeUndefined();
    await bench.store.rates.record('d', 100);
    expect(await bench.store.rates.read('d')).toBe(100);
    await bench.store.rates.record('d', 200);
    expect(await bench.store.rates.read('d')).toBe(120);
  });
});
