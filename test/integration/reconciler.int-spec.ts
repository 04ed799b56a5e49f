import { Readable } from 'node:stream';
import { BlobProbe, BlobsNotShared, Reconciler, assertSharedBlobs, inputKey, resultKey } from '@app/batch-jobs';
import { QuaysideError, SystemClock } from '@app/core';
import { InMemoryBlobStore, eventually } from '@app/testing';
import { chunksOf } from './jobs-bench';
import { LEASE_MS, ORPHAN_AGE_MS, ReconcilerBench } from './reconciler-bench';

let bench: ReconcilerBench;
beforeAll(async () => {
  bench = await ReconcilerBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
afterEach(() => bench.clear());

const past = (column: string, id: string) =>
  bench.jobs.db.query(`update job set ${column} = now() - interval '1 second' where id = $1`, [id]);

/** A queued job of which every chunk in the queue should have been claimed by now. */
async function overdue(chunks: number, windowChunks = chunks): Promise<string> {
  const { id } = await bench.jobs.queued(Array.from({ length: chunks }, () => 1));
  await bench.jobs.db.query("update job_chunk set due_at = now() - interval '1 second' where idx < $1", [windowChunks]);
  return id;
}

describe(`${Reconciler.name}: chunks that nobody claimed`, () => {
  it('are added again where the queue lost them, under a new id where it gave them up, and else left to it', async () => {
    await overdue(3);
    const places = ['missing', 'spent', 'held'] as const;
    bench.queue.place = ({ idx }) => places[idx] ?? 'held';
    await bench.reconciler().tick();
    expect(bench.queue.names).toEqual(['0.0', '1.1']);
    expect(bench.lines).toContainEqual(expect.objectContaining({ event: 'job_chunks_requeued', count: 2 }));
    expect(await bench.jobs.store.upkeep.dueChunks()).toEqual([]);
  });

  it('stay due when nobody knows whether the queue took them', async () => {
    await overdue(2);
    bench.queue.place = ({ idx }) => (idx === 0 ? 'missing' : 'held');
    bench.queue.takes = false;
    await bench.reconciler().tick();
    expect(await bench.jobs.store.upkeep.dueChunks()).toMatchObject([{ idx: 0, dispatch: 0 }]);
    bench.queue.takes = true;
    await bench.reconciler().tick();
    expect(bench.queue.names).toEqual(['0.0']);
  });

  it('are all seen to in one look, however many they are', async () => {
    await overdue(230);
    await bench.reconciler().tick();
    expect(new Set(bench.queue.names).size).toBe(230);
  });
});

describe(`${Reconciler.name}: chunks of workers that died`, () => {
  const running = async (): Promise<string> => {
    const { id } = await bench.jobs.queued([1, 1]);
    await bench.jobs.claimed(id, 0);
    await bench.jobs.makeDue(id, 0);
    return id;
  };
  const crashes = () => bench.jobs.value('select sum(crashes)::int from job_chunk');

  it('are queued under a new id, and counted as a crash once', async () => {
    await running();
    await Promise.all([1, 2, 3].map(() => bench.reconciler().tick()));
    expect(bench.queue.names).toEqual(['0.1']);
    expect(await crashes()).toBe(1);
    expect(bench.events).toEqual(['job_chunks_expired']);
  });

  it('are left alone until the database has answered for the time of a lease', async () => {
    await running();
    bench.database.upMs = LEASE_MS - 1;
    await bench.reconciler().tick();
    expect(await crashes()).toBe(0);
    bench.database.upMs = LEASE_MS;
    await bench.reconciler().tick();
    expect(await crashes()).toBe(1);
  });

  it('are left alone for the time of a lease after this process stood still', async () => {
    await running();
    const reconciler = bench.reconciler();
    await bench.clock.advance(1);
    bench.database.upMs = 0;
    await reconciler.tick();
    bench.database.upMs = LEASE_MS;
    // A laptop was closed for an hour: dates go on, and durations do not.
    bench.clock.jumpEpoch(3_600_000);
    await reconciler.tick();
    expect(await crashes()).toBe(0);
    await bench.clock.advance(10_000);
    await reconciler.tick();
    await bench.clock.advance(LEASE_MS - 10_000);
    expect(await crashes()).toBe(0);
    await reconciler.tick();
    expect(await crashes()).toBe(1);
  });
});

describe(`${Reconciler.name}: chunks without hope`, () => {
  it('are given up, and what enters the window is queued', async () => {
    const { id } = await bench.jobs.queued([1, 1, 1, 1, 1]);
    await bench.jobs.ran(id, 1);
    await bench.jobs.db.query('update job_chunk set crashes = 8, due_at = now() where job_id = $1 and idx = 0', [id]);
    await bench.jobs.db.query('update job_chunk set due_at = null where job_id = $1 and idx = 4', [id]);
    await bench.jobs.db.query('update job set enqueued_to = 4 where id = $1', [id]);
    await bench.reconciler().tick();
    expect(bench.queue.names).toEqual(['4.0']);
    expect(await bench.jobs.job(id)).toMatchObject({ failed: 1, chunksDone: 2 });
    expect(bench.lines).toContainEqual(expect.objectContaining({ event: 'job_chunks_given_up', count: 1 }));
  });
});

describe(`${Reconciler.name}: jobs`, () => {
  it('are cancelled once nothing of them runs, and expire with their deadline', async () => {
    const [{ id: cancelled }, { id: late }] = [await bench.jobs.queued([1]), await bench.jobs.queued([1])];
    const { chunk } = await bench.jobs.claimed(cancelled, 0);
    await bench.jobs.store.cancel('acme', cancelled);
    await past('deadline_at', late);
    await bench.reconciler().tick();
    expect((await bench.jobs.job(cancelled)).status).toBe('cancelling');
    expect((await bench.jobs.job(late)).status).toBe('expired');
    // Its worker dies, and nobody tells.
    await bench.jobs.makeDue(cancelled, chunk.idx);
    await bench.reconciler().tick();
    expect((await bench.jobs.job(cancelled)).status).toBe('cancelled');
    expect(bench.queue.names).toEqual([]);
  });

  it('fail when their upload falls silent, with the files of it', async () => {
    const { id } = await bench.jobs.begun({ idempotencyKey: 'k' });
    await bench.jobs.store.uploads.addChunks(id, chunksOf(id, [1]));
    await bench.file(inputKey(id, 0));
    await bench.file(inputKey(id, 1));
    await bench.reconciler().tick();
    expect(await bench.files()).toHaveLength(2);
    await bench.reconciler({ records: { uploadSilenceMs: -1 } }).tick();
    expect(await bench.jobs.job(id)).toMatchObject({ status: 'failed', error: { code: 'upload_interrupted' } });
    expect(await bench.files()).toEqual([]);
    await bench.jobs.begun({ idempotencyKey: 'k' });
  });

  it('lose their results when those are past their time, and are gone themselves later', async () => {
    const { id } = await bench.jobs.queued([1]);
    await bench.jobs.ran(id, 0);
    const files = [await bench.file(inputKey(id, 0)), await bench.file(resultKey({ jobId: id, idx: 0, epoch: 1 }))];
    await bench.reconciler().tick();
    expect(await bench.files()).toEqual(files);
    await past('results_expire_at', id);
    await bench.reconciler().tick();
    expect(await bench.files()).toEqual([]);
    expect(await bench.jobs.job(id)).toMatchObject({ status: 'succeeded', resultsAreGone: true });
    await bench.reconciler({ records: { jobsKeptMs: -1000 } }).tick();
    expect(await bench.jobs.store.find('acme', id)).toBeUndefined();
    expect(bench.events).toEqual(['job_results_removed', 'jobs_removed']);
  });
});

describe(`${Reconciler.name}: files that no row names`, () => {
  const orphan = `jobs/job_${'0'.repeat(32)}/in/0.jsonl`;

  it('are removed once they have been so for an hour, and not those that were named meanwhile', async () => {
    const { id } = await bench.jobs.queued([1, 1]);
    await bench.jobs.ran(id, 0);
    const [named, old, foreign] = [resultKey({ jobId: id, idx: 0, epoch: 1 }), inputKey(id, 1), 'jobs/readme'];
    for (const key of [named, old, foreign, orphan]) await bench.file(key);
    await bench.clock.advance(ORPHAN_AGE_MS * 2);
    const reconciler = bench.reconciler();
    await reconciler.tick();
    // Old as it is: somebody may be reading what a retry has just replaced.
    expect(await bench.files()).toContain(orphan);
    await bench.clock.advance(ORPHAN_AGE_MS - 1);
    await reconciler.tick();
    expect(await bench.files()).toContain(orphan);
    await bench.clock.advance(1);
    await reconciler.tick();
    expect(await bench.files()).toEqual([named, old, foreign].sort());
    expect(bench.lines).toContainEqual(expect.objectContaining({ event: 'job_files_removed', count: 1 }));
  });

  it('are not those that are younger than an hour', async () => {
    const reconciler = bench.reconciler();
    await bench.file(orphan);
    await reconciler.tick();
    await bench.clock.advance(ORPHAN_AGE_MS);
    await bench.file(orphan);
    await reconciler.tick();
    expect(await bench.files()).toEqual([orphan]);
  });

  it('are found behind many others, some of them at each look', async () => {
    const reconciler = bench.reconciler({ options: { orphanAgeMs: 0 } });
    const keys = Array.from({ length: 10_600 }, (_, at) => `jobs/job_${'0'.repeat(32)}/in/${at}.jsonl`);
    for (const key of keys) await bench.file(key);
    await reconciler.tick();
    expect(await bench.files()).toHaveLength(600);
    await reconciler.tick();
    expect(await bench.files()).toEqual([]);
    await reconciler.close();
  });

  it('wait where the store of the files does not answer, and nothing else does', async () => {
    await bench.file(orphan);
    const reconciler = bench.reconciler({ options: { orphanAgeMs: 0 } });
    bench.blobs.fail('storage_unavailable');
    const id = await overdue(1);
    await past('deadline_at', id);
    for (let each = 0; each < 3; each += 1) await reconciler.tick();
    expect((await bench.jobs.job(id)).status).toBe('expired');
    expect(bench.lines.filter(({ event }) => event === 'job_upkeep_failing')).toMatchObject([{ step: 'orphan files' }]);
    bench.blobs.recover();
    await reconciler.tick();
    expect(await bench.files()).toEqual([]);
    expect(bench.events).toContain('job_upkeep_works');
  });
});

describe(`${Reconciler.name}: a part that fails`, () => {
  it('keeps no other from working, and is told of once until it works again', async () => {
    const reconciler = bench.reconciler();
    const { view } = bench.queue;
    bench.queue.view = () => Promise.reject(new Error('frozen'));
    const id = await overdue(1);
    const { id: late } = await bench.jobs.queued([1]);
    await past('deadline_at', late);
    await reconciler.tick();
    await reconciler.tick();
    expect((await bench.jobs.job(late)).status).toBe('expired');
    expect(bench.lines.filter(({ event }) => event !== 'jobs_expired')).toEqual([
      expect.objectContaining({ event: 'job_upkeep_failing', step: 'due_chunks', reason: 'frozen' }),
    ]);
    bench.queue.view = view;
    await reconciler.tick();
    await reconciler.tick();
    expect(bench.queue.added).toMatchObject([{ jobId: id }]);
    expect(bench.events.filter((event) => event === 'job_upkeep_works')).toHaveLength(1);
  });

  it('is not looked for while the database is down', async () => {
    bench.database.state = 'down';
    await overdue(1);
    await bench.reconciler().tick();
    expect([bench.queue.asked, bench.lines]).toEqual([[], []]);
  });
});

describe(`${Reconciler.name}: several of them`, () => {
  it('leave the work to one, unless that one hangs', async () => {
    await overdue(1);
    const [entered, leave] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const hanging = bench.jobs.store.upkeep.alone('records', () => (entered.resolve(), leave.promise));
    await entered.promise;
    const reconciler = bench.reconciler();
    await reconciler.tick();
    await reconciler.tick();
    expect(bench.queue.names).toEqual([]);
    await reconciler.tick();
    expect(bench.queue.names).toEqual(['0.0']);
    leave.resolve();
    await hanging;
  });
});

describe(`${Reconciler.name}: on its own`, () => {
  it('looks at once and then from time to time, and no more once it is closed', async () => {
    const reconciler = bench.reconciler();
    await overdue(1);
    reconciler.start();
    await eventually(() => bench.queue.names.length === 1);
    await eventually(() => bench.clock.pending >= 3);
    await overdue(1);
    await bench.clock.advance(10_000);
    await eventually(() => bench.queue.names.length >= 2);
    await reconciler.close();
    await reconciler.close();
    const before = bench.queue.names.length;
    await overdue(1);
    await bench.clock.advance(60_000);
    expect(bench.queue.names).toHaveLength(before);
    expect(bench.clock.pending).toBe(0);
  });

  it('is not held up by a receiver of webhooks that does not answer, and closes all the same', async () => {
    const sendDue = jest.fn(() => new Promise<number>(() => {}));
    const reconciler = bench.reconciler({ webhooks: { sendDue } });
    reconciler.start();
    await eventually(() => sendDue.mock.calls.length === 1);
    await overdue(1);
    await eventually(async () => {
      await bench.clock.advance(10_000);
      return bench.queue.names.length > 0;
    });
    expect(sendDue).toHaveBeenCalledTimes(1);
    const closed = reconciler.close();
    await bench.clock.advance(2000);
    await closed;
  });

  it('acts on what falls due while it runs: a deadline, an upload, results, a file', async () => {
    const [{ id: late }, { id: read }] = [await bench.jobs.queued([1]), await bench.jobs.queued([1])];
    await bench.jobs.ran(read, 0);
    const clock = new SystemClock();
    const blobs = new InMemoryBlobStore(clock);
    const reconciler = bench.reconciler({
      ...{ clock, blobs, records: { uploadSilenceMs: 300 } },
      options: { everyMs: 20, orphanAgeMs: 300 },
    });
    reconciler.start();
    const { id: silent } = await bench.jobs.begun();
    const orphan = `jobs/job_${'0'.repeat(32)}/in/0.jsonl`;
    await blobs.put(orphan, Readable.from([Buffer.from('x')]));
    await bench.jobs.db.query(
      `update job set deadline_at = case when id = $1 then now() + interval '300 ms' end,
         results_expire_at = case when id = $2 then now() + interval '300 ms' end where id in ($1, $2)`,
      [late, read],
    );
    await eventually(async () => {
      const jobs = await Promise.all([late, silent, read].map((id) => bench.jobs.job(id)));
      expect(jobs.map(({ status }) => status)).toEqual(['expired', 'failed', 'succeeded']);
      expect(bench.events).toContain('job_results_removed');
      expect(await blobs.get(orphan)).toBeUndefined();
    });
    await reconciler.close();
  });

  it('sends webhooks until none is due', async () => {
    const left = [8, 8, 3, 0];
    const sendDue = jest.fn(() => Promise.resolve(left.shift() ?? 0));
    await bench.reconciler({ webhooks: { sendDue } }).tick();
    expect(sendDue).toHaveBeenCalledTimes(4);
  });
});

describe(BlobProbe.name, () => {
  const probe = (blobs = bench.blobs, host = 'one'): BlobProbe =>
    new BlobProbe({ store: bench.jobs.store, blobs, clock: bench.clock, host });
  const noted = () => bench.jobs.value<number>('select count(*)::int from blob_probe');
  afterEach(() => bench.jobs.db.query('delete from blob_probe'));

  it('lets a worker start that reads what the process writes, and no other', async () => {
    const [here, elsewhere] = [probe(), probe(new InMemoryBlobStore(), 'another')];
    here.start();
    await eventually(async () => (await noted()) === 1);
    await assertSharedBlobs(bench.jobs.store, bench.blobs);
    elsewhere.start();
    await eventually(async () => (await noted()) === 2);
    const refusal = assertSharedBlobs(bench.jobs.store, bench.blobs);
    await expect(refusal).rejects.toThrow(BlobsNotShared);
    await expect(refusal).rejects.toThrow(/written on another cannot be read here.*BLOB_DIR/);
    await elsewhere.close();
    await assertSharedBlobs(bench.jobs.store, bench.blobs);
    await here.close();
    expect([await noted(), await bench.files()]).toEqual([0, []]);
  });

  it('of a process that came later is told of by a worker that runs', async () => {
    const elsewhere = probe(new InMemoryBlobStore(), 'another');
    elsewhere.start();
    await eventually(async () => (await noted()) === 1);
    const reconciler = bench.reconciler();
    await reconciler.tick();
    await reconciler.tick();
    expect(bench.lines).toEqual([
      expect.objectContaining({
        event: 'job_upkeep_failing',
        step: 'shared files',
        reason: expect.stringMatching(/another/),
      }),
    ]);
    await elsewhere.close();
    await reconciler.tick();
    expect(bench.events).toEqual(['job_upkeep_failing', 'job_upkeep_works']);
  });

  it('refuses a worker whose store does not answer', async () => {
    const here = probe();
    here.start();
    await eventually(async () => (await noted()) === 1);
    bench.blobs.fail('storage_unavailable');
    await expect(assertSharedBlobs(bench.jobs.store, bench.blobs)).rejects.toThrow(BlobsNotShared);
    bench.blobs.recover();
    await here.close();
  });

  it('is written later where it cannot be written at once', async () => {
    const here = probe();
    bench.blobs.fail('storage_full');
    here.start();
    await eventually(() => bench.clock.pending === 1);
    bench.blobs.recover();
    await bench.clock.advance(5000);
    await eventually(async () => (await noted()) === 1);
    await here.close();
  });

  it('counts as long as its process says so, and is taken away later', async () => {
    await bench.jobs.db.query("insert into blob_probe values ('dead', 'gone', now() - interval '3 minutes')");
    await bench.file('probe/dead');
    await assertSharedBlobs(bench.jobs.store, new InMemoryBlobStore());
    await bench.reconciler().tick();
    expect(await bench.files()).toEqual(['probe/dead']);
    await bench.jobs.db.query("update blob_probe set seen_at = now() - interval '2 hours'");
    await bench.reconciler().tick();
    expect([await noted(), await bench.files()]).toEqual([0, []]);
  });

  it('does not take a database that fails for files that are not shared', async () => {
    const running = () => Promise.reject(new QuaysideError('database_unavailable', 'Gone.'));
    const store = { probes: { ...bench.jobs.store.probes, running } } as unknown as typeof bench.jobs.store;
    await expect(assertSharedBlobs(store, bench.blobs)).rejects.toMatchObject({ code: 'database_unavailable' });
  });
});
