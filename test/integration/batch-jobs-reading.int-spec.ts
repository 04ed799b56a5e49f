import 'reflect-metadata';
import { randomInt } from 'node:crypto';
import { type JobRecord, inputKey, resultKey } from '@app/batch-jobs';
import { SystemClock } from '@app/core';
import { Database } from '@app/database';
import { eventually } from '@app/testing';
import { parseIntoClientConfig } from 'pg-connection-string';
import { BatchJobsBench, type JobsProcess, aSubmission, jsonl, sent } from './batch-jobs-bench';
import { FlakyProxy } from './flaky-proxy';

const NOBODY = `job_${'0'.repeat(32)}`;

let bench: BatchJobsBench;
let process: JobsProcess;
beforeAll(async () => {
  bench = await BatchJobsBench.open();
  process = await bench.process();
  // Chunks of 64 rows.
  await process.store.rates.record(bench.registry.resolve({ model: 'fraud', version: '7' }).digest, 1);
});
afterAll(async () => {
  await process[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
});
afterEach(async () => {
  bench.blobs.recover();
  await bench.clear();
});

/** A queued job of so many rows, in chunks of 64. */
const queued = async (rows: number, row?: (x: number) => object): Promise<string> =>
  (await process.jobs.submit(aSubmission({ input: sent(jsonl(rows, row)) }))).job.id;
const here = () => new AbortController().signal;
const query = (sql: string, ...params: readonly unknown[]) => bench.here.database.main.query(sql, params);
const indexes = (lines: string) =>
  lines
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { readonly index: number }).index);
const upTo = (end: number, from = 0) => Array.from({ length: end - from }, (_, at) => from + at);
const without = ({ readAtMs: _, ...job }: JobRecord) => job;

const callsOn = ({ jobs }: JobsProcess, id: string) => [
  () => jobs.get(id),
  () => jobs.wait(id, { timeoutMs: 60_000, signal: here() }),
  () => jobs.waitForEnd(id, { timeoutMs: 60_000, signal: here() }),
  () => jobs.results(id),
  () => jobs.cancel(id),
  () => jobs.retry(id),
  () => jobs.remove(id),
];

describe('one job', () => {
  it('tells its pace from its own rows, before the first of them from what its model does', async () => {
    const id = await queued(128);
    expect(await process.jobs.get(id)).toEqual({ job: expect.objectContaining({ status: 'queued' }) as unknown });
    await process.store.leases.claim(id, 0, 'w');
    expect(await process.jobs.get(id)).toEqual({ job: expect.objectContaining({ id }) as unknown, etaSeconds: 128 });
    await process.run(id, 1);
    await query("update job set started_at = now() - interval '10 seconds'");
    const { rate = 0, etaSeconds = 0 } = await process.jobs.get(id);
    expect([rate, etaSeconds].map((figure) => Math.round(figure))).toEqual([6, 10]);
  });

  it('tells after its end how fast it was', async () => {
    const id = await queued(64);
    await process.run(id, 0);
    await query("update job set started_at = finished_at - interval '2 seconds'");
    const { rate, etaSeconds } = await process.jobs.get(id);
    expect([rate, etaSeconds]).toEqual([32, undefined]);
  });

  it.each(['job_x', NOBODY, '\u0000', ''])('is not there by the id %j', async (id) => {
    for (const call of callsOn(process, id)) await expect(call()).rejects.toMatchObject({ code: 'job_not_found' });
  });

  it('is as it was submitted', async () => {
    const { job } = await process.jobs.submit(aSubmission());
    expect(without((await process.jobs.get(job.id)).job)).toEqual(without(job));
  });

  it('has counts that add up and a version that rises, whatever happens to it', async () => {
    const id = await queued(64 * 6, (x) => ({ x, fail: x % 64 === 7 }));
    let last = (await process.jobs.get(id)).job;
    const happens = [
      ...[0, 3, 1].map((idx) => () => process.run(id, idx)),
      () => process.jobs.cancel(id),
      () => process.jobs.retry(id),
      ...[0, 1, 2, 3, 4, 5].map((idx) => () => process.run(id, idx)),
    ];
    for (const happen of happens) {
      await happen();
      const { job } = await process.jobs.get(id);
      expect(job.succeeded + job.failed + (job.remaining ?? NaN)).toBe(384);
      expect(job.version).toBeGreaterThan(last.version);
      last = job;
    }
    expect(last).toMatchObject({ status: 'succeeded', succeeded: 378, failed: 6, attempt: 2 });
  });
});

describe('waiting for a job', () => {
  it('ends with its next version', async () => {
    const id = await queued(128);
    const news = process.jobs.wait(id, { timeoutMs: 60_000, signal: here() });
    await process.run(id, 0);
    expect((await news).job.version).toBeGreaterThan(2);
  });

  it('ends at once when there is news already, or nothing to come', async () => {
    const id = await queued(64);
    expect((await process.jobs.wait(id, { version: 1, timeoutMs: 60_000, signal: here() })).job.version).toBe(2);
    await process.run(id, 0);
    const { job } = await process.jobs.get(id);
    const wait = { version: job.version, timeoutMs: 60_000, signal: here() };
    expect((await process.jobs.wait(id, wait)).job.status).toBe('succeeded');
  });

  it('ends without news when the time is over, and when the process stops', async () => {
    await using other = await bench.process();
    const id = await queued(64);
    expect((await other.jobs.wait(id, { timeoutMs: 5, signal: here() })).job.version).toBe(2);
    const waits = [
      other.jobs.wait(id, { timeoutMs: 60_000, signal: here() }),
      other.jobs.waitForEnd(id, { timeoutMs: 60_000, signal: here() }),
    ];
    await other.drain.run({ 'stop-taking': 1000, finish: 0, flush: 0, close: 1000 });
    expect((await Promise.all(waits)).map(({ job }) => job.version)).toEqual([2, 2]);
  });

  it('ends when its client leaves, or the job does', async () => {
    const client = new AbortController();
    const id = await queued(64);
    const left = expect(process.jobs.wait(id, { timeoutMs: 60_000, signal: client.signal })).rejects.toMatchObject({
      code: 'client_closed',
    });
    client.abort();
    await left;
    // The cancel is news as well: who waits again after it hears of the end of the job.
    const untilGone = async (): Promise<never> => {
      for (;;) await process.jobs.wait(id, { timeoutMs: 60_000, signal: here() });
    };
    const gone = expect(untilGone()).rejects.toMatchObject({ code: 'job_not_found' });
    await process.jobs.cancel(id);
    await process.jobs.remove(id);
    await gone;
  });

  it('goes on through all news to the end of it', async () => {
    const id = await queued(192);
    const end = process.jobs.waitForEnd(id, { timeoutMs: 60_000, signal: here() });
    await process.run(id, 0, 1, 2);
    expect((await end).job.status).toBe('succeeded');
    expect((await process.jobs.waitForEnd(id, { timeoutMs: 0, signal: here() })).job.status).toBe('succeeded');
  });
});

describe('jobs', () => {
  it('are listed newest first, page by page, each once', async () => {
    const ids: string[] = [];
    for (let each = 0; each < 5; each += 1) ids.unshift(await queued(1));
    const pages: string[][] = [];
    for (let after: string | undefined, more = true; more; more = after !== undefined) {
      const page = await process.jobs.list({ limit: 2, after });
      pages.push(page.jobs.map(({ job }) => job.id));
      after = page.next;
    }
    expect(pages.map(({ length }) => length)).toEqual([2, 2, 1]);
    expect(pages.flat()).toEqual(ids);
  });

  it('are listed by state and model; no job has a model whose name is none', async () => {
    const id = await queued(1);
    const list = async (which: object) =>
      (await process.jobs.list({ limit: 9, ...which })).jobs.map(({ job }) => job.id);
    expect(await list({ status: 'queued', model: 'fraud' })).toEqual([id]);
    expect(await list({ status: 'running' })).toEqual([]);
    expect(await list({ model: 'other' })).toEqual([]);
    expect(await list({ model: '\u0000' })).toEqual([]);
  });

  it.each(['x', '\u0000', 'job_'])('are not listed after %j', async (after) => {
    await expect(process.jobs.list({ limit: 1, after })).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(process.jobs.deadChunks({ limit: 1, after })).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe('results', () => {
  it('are the finished prefix while the job runs, then all of them; what was read is a prefix of the end', async () => {
    const id = await queued(64 * 5 + 3, (x) => ({ x, fail: x % 50 === 0 }));
    const reads = [await process.read(id)];
    for (const idx of [2, 0, 5, 1, 4, 3]) {
      await process.run(id, idx);
      reads.push(await process.read(id));
    }
    const end = reads.at(-1) ?? '';
    expect(indexes(end)).toEqual(upTo(323));
    expect(reads.map((read) => indexes(read).length)).toEqual([0, 0, 64, 64, 192, 192, 323]);
    expect(reads.filter((read) => !end.startsWith(read))).toEqual([]);
  });

  it('are read once each by cursors, whatever the steps, while chunks end in any order', async () => {
    const id = await queued(64 * 6);
    const open = [0, 1, 2, 3, 4, 5].sort(() => randomInt(3) - 1);
    let [after, all, isComplete]: [string | undefined, string, boolean] = [undefined, '', false];
    while (!isComplete) {
      const next = open.shift();
      if (next !== undefined) await process.run(id, next);
      for (let each = 0; each < 2; each += 1) {
        const { page } = await process.jobs.results(id, { after, limit: 1 + randomInt(150) });
        const limit = page.to - page.from;
        if (limit > 0) all += await process.read(id, { after, limit });
        ({ next: after, isComplete } = page);
      }
    }
    expect(indexes(all)).toEqual(upTo(384));
    expect(all).toBe(await process.read(id));
  });

  it('are read over more chunks than are looked at together', async () => {
    const id = await queued(64 * 1001);
    await query("update job_chunk set status = 'dead' where idx > 0");
    await process.run(id, 0);
    const lines = indexes(await process.read(id, { after: Buffer.from('row:63').toString('base64url') }));
    expect(lines).toEqual(upTo(64_064, 63));
  });

  it('are those of failed rows, if only these are wanted', async () => {
    const id = await queued(128, (x) => ({ x, fail: x % 60 === 3 }));
    await process.run(id, 0, 1);
    const lines = await process.read(id, { onlyErrors: true });
    expect(indexes(lines)).toEqual([3, 63, 123]);
    expect(lines).toContain('inference_failed');
  });

  it('of a cancelled job are all that was run, also where a retry was cancelled', async () => {
    const id = await queued(64 * 4, (x) => ({ x, fail: x === 70 }));
    await process.run(id, 1, 3);
    await process.jobs.cancel(id);
    const ran = [...upTo(128, 64), ...upTo(256, 192)];
    expect(indexes(await process.read(id))).toEqual(ran);
    await process.jobs.retry(id);
    await process.jobs.cancel(id);
    expect(indexes(await process.read(id))).toEqual(ran);
  });

  it('go on for a reader whose job is tried again', async () => {
    const id = await queued(128, (x) => ({ x, fail: x === 70 }));
    await process.run(id, 0, 1);
    const { lines } = await process.jobs.results(id);
    await process.jobs.retry(id);
    await process.run(id, 1);
    const pieces: Buffer[] = [];
    for await (const piece of lines) pieces.push(piece);
    expect(indexes(Buffer.concat(pieces).toString())).toEqual(upTo(128));
  });

  it('break off for a reader whose job is deleted', async () => {
    const id = await queued(128);
    await process.run(id, 0, 1);
    const reader = (await process.jobs.results(id)).lines[Symbol.asyncIterator]();
    await reader.next();
    await process.jobs.remove(id);
    await expect(reader.next()).rejects.toMatchObject({ code: 'job_results_gone' });
  });

  it('are errors of rows whose file is lost', async () => {
    const id = await queued(128);
    await process.run(id, 0, 1);
    await bench.blobs.delete([resultKey({ jobId: id, idx: 1, epoch: 1 })]);
    const lines = await process.read(id, { onlyErrors: true });
    expect(indexes(lines)).toEqual(upTo(128, 64));
    expect(lines).toContain('chunk_failed');
  });

  it('are gone after their time, and a cursor that nobody gave is refused', async () => {
    const id = await queued(64);
    await expect(process.jobs.results(id, { after: 'x' })).rejects.toMatchObject({ code: 'invalid_request' });
    await process.run(id, 0);
    await query('update job set results_expire_at = now()');
    await expect(process.jobs.results(id)).rejects.toMatchObject({ code: 'job_results_gone' });
    await expect(process.jobs.retry(id)).rejects.toMatchObject({ code: 'job_nothing_failed' });
  });
});

describe('a job that has ended', () => {
  it('is cancelled for good, as often as one asks', async () => {
    const id = await queued(64);
    const { job } = await process.jobs.cancel(id);
    expect(job.status).toBe('cancelled');
    expect(without((await process.jobs.cancel(id)).job)).toEqual(without(job));
  });

  it('is tried again where rows of it failed, and what is to run is queued', async () => {
    const id = await queued(64 * 2, (x) => ({ x, fail: x === 70 }));
    await expect(process.jobs.retry(id)).rejects.toMatchObject({ code: 'job_not_ended' });
    await process.run(id, 0, 1);
    await process.queue.whenOpen();
    expect((await process.jobs.retry(id)).job).toMatchObject({ status: 'queued', attempt: 2, remaining: 1 });
    const chunk = { jobId: id, idx: 1, dispatch: 1, class: 'normal' } as const;
    await eventually(async () => (await process.queue.view([chunk])).held.length === 1);
  });

  it('is not tried again where nothing failed, or its results are gone', async () => {
    const id = await queued(64);
    await process.run(id, 0);
    await expect(process.jobs.retry(id)).rejects.toMatchObject({ code: 'job_nothing_failed' });
    await query('update job set failed = 1, succeeded = 63, results_removed = true');
    await expect(process.jobs.retry(id)).rejects.toMatchObject({ code: 'job_results_gone' });
  });

  it('is deleted with its files, and only then', async () => {
    const id = await queued(128);
    await expect(process.jobs.remove(id)).rejects.toMatchObject({ code: 'job_not_ended' });
    await process.run(id, 0, 1);
    expect(await bench.files()).toEqual([
      inputKey(id, 0),
      inputKey(id, 1),
      ...[0, 1].map((idx) => resultKey({ jobId: id, idx, epoch: 1 })),
    ]);
    await process.jobs.remove(id);
    expect([await bench.count('job'), await bench.count('job_chunk'), await bench.files()]).toEqual([0, 0, []]);
    await expect(process.jobs.get(id)).rejects.toMatchObject({ code: 'job_not_found' });
  });

  it('is deleted also where its files cannot be now', async () => {
    const id = await queued(1);
    await process.jobs.cancel(id);
    bench.blobs.fail('storage_unavailable');
    await process.jobs.remove(id);
    expect(await bench.count('job')).toBe(0);
  });
});

it('chunks that were given up are listed, page by page', async () => {
  const id = await queued(64 * 5);
  await query("update job_chunk set status = 'dead', last_error = 'storage_full: No.' where idx in (0, 2, 4)");
  const first = await process.jobs.deadChunks({ limit: 2 });
  const rest = await process.jobs.deadChunks({ limit: 2, after: first.next });
  expect([...first.chunks, ...rest.chunks].map(({ jobId, idx }) => [jobId, idx])).toEqual(
    [0, 2, 4].map((idx) => [id, idx]),
  );
  expect(rest.next).toBeUndefined();
});

describe('without a database', () => {
  const everyCall = (process: JobsProcess, id = NOBODY) => [
    ...callsOn(process, id),
    () => process.jobs.submit(aSubmission()),
    () => process.jobs.list({ limit: 1 }),
    () => process.jobs.deadChunks({ limit: 1 }),
  ];
  const databaseOf = (server: ConstructorParameters<typeof Database>[0]['server']) =>
    new Database({ server }, { clock: new SystemClock(), log: () => {} });

  it('every call says which setting would give it one', async () => {
    await using other = await bench.process({ database: databaseOf({ kind: 'none' }) });
    for (const call of everyCall(other)) {
      const message = expect.stringContaining('DATABASE_URL') as unknown;
      await expect(call()).rejects.toMatchObject({ code: 'database_unavailable', message });
    }
  });

  it('that answers, every call under way and every later one says so, and all goes on when it is back', async () => {
    const { host, port, user, password, database: name } = parseIntoClientConfig(bench.here.url);
    await using proxy = await FlakyProxy.to({ path: `${host ?? ''}/.s.PGSQL.${port ?? 5432}` });
    const url = `postgres://${user ?? ''}:${String(password)}@127.0.0.1:${proxy.port}/${name ?? ''}`;
    const database = databaseOf({ kind: 'url', url });
    await using other = await bench.process({ database });
    database.start();
    await database.whenUp();
    const id = await queued(64);
    const waiting = other.jobs.wait(id, { timeoutMs: 60_000, signal: here() });
    const underWay = [waiting, ...everyCall(other, id).map((call) => call())];
    proxy.freeze();
    const outcomes = await Promise.allSettled(underWay);
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
    for (const call of everyCall(other, id))
      await expect(call()).rejects.toMatchObject({ code: 'database_unavailable' });
    proxy.restore();
    await eventually(() => other.jobs.get(id));
    await database.close();
  });
});
