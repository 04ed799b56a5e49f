import 'reflect-metadata';
import { gzipSync } from 'node:zlib';
import { type JobSubmission, inputKey } from '@app/batch-jobs';
import { eventually } from '@app/testing';
import { BatchJobsBench, type JobsProcess, aSubmission, bytesOf, jsonl, sent } from './batch-jobs-bench';

let bench: BatchJobsBench;
let process: JobsProcess;
beforeAll(async () => {
  bench = await BatchJobsBench.open();
  process = await bench.process({ webhooks: { secret: 'whsec_x', allowedHosts: ['inside:8080'] } });
});
afterAll(async () => {
  await process[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
});
afterEach(async () => {
  bench.blobs.recover();
  await bench.clear();
});

const submit = (changes: Partial<JobSubmission> = {}) => process.jobs.submit(aSubmission(changes));
const submitted = async (changes: Partial<JobSubmission> = {}) => (await submit(changes)).job.id;

describe('a submission', () => {
  it('is a queued job of the version that its model meant then, with its rows in chunk files', async () => {
    const { job } = await submit({ options: { top_k: 2 }, metadata: { by: 'me' }, class: 'high' });
    expect(job).toMatchObject({
      ...{ status: 'queued', total: 2, remaining: 2, chunks: 1, class: 'high', model: 'fraud', modelVersion: '7' },
      ...{ digest: bench.registry.resolve({ model: 'fraud', version: '7' }).digest },
      ...{ params: { top_k: 2 }, metadata: { by: 'me' } },
    });
    expect(await bench.files()).toEqual([inputKey(job.id, 0)]);
    expect(await bench.lines(inputKey(job.id, 0))).toEqual([
      { i: 0, id: 'r0', row: { x: 1 } },
      { i: 1, id: 'r1', row: { x: 2 } },
    ]);
  });

  it('wakes workers up, also as the first of a process', async () => {
    await using justStarted = await bench.process();
    const { job } = await justStarted.jobs.submit(aSubmission());
    const chunk = { jobId: job.id, idx: 0, dispatch: 0, class: 'normal' } as const;
    await eventually(async () => (await process.queue.view([chunk])).held.length === 1);
  });

  it.each([
    ['CSV, whose cells become what the model takes', sent('x,text\n1,7\n2,"a"\n', { format: 'csv' })],
    ['a JSON array', sent('[{"x":1,"text":"7"},{"x":2,"text":"a"}]', { format: 'json' })],
    [
      'one JSON object',
      {
        rows: [
          { x: 1, text: '7' },
          { x: 2, text: 'a' },
        ],
        body: Buffer.from('{}'),
      },
    ],
    ['a compressed body', sent(compressed('{"x":1,"text":"7"}\n{"x":2,"text":"a"}\n'), { encoding: 'gzip' })],
  ])('takes %s', async (_, input) => {
    const rows = (await bench.lines(inputKey(await submitted({ input }), 0))) as readonly { readonly row: object }[];
    expect(rows.map(({ row }) => row)).toEqual([
      { x: 1, text: '7' },
      { x: 2, text: 'a' },
    ]);
  });

  it('names its rows by a field, which the model sees only if it takes it', async () => {
    const input = () => sent('{"x":1,"text":"a","key":"k"}\n');
    const [, byOwn] = [
      await submitted({ input: input(), idField: 'key' }),
      await submitted({ input: input(), idField: 'text' }),
    ];
    expect(await bench.lines(inputKey(byOwn, 0))).toEqual([{ i: 0, id: 'a', row: { x: 1, text: 'a', key: 'k' } }]);
    const byOther = (await bench.files()).find((key) => !key.includes(byOwn)) ?? '';
    expect(await bench.lines(byOther)).toEqual([{ i: 0, id: 'k', row: { x: 1, text: 'a' } }]);
  });

  it('has chunks of as many rows as the model runs in the time that is aimed at', async () => {
    await process.store.rates.record(bench.registry.resolve({ model: 'fraud', version: undefined }).digest, 10);
    const { job } = await submit({ input: sent(jsonl(2500)) });
    expect(job).toMatchObject({ total: 2500, chunks: 25 });
    expect((await bench.lines(inputKey(job.id, 24)))[0]).toEqual({ i: 2400, id: 'r2400', row: { x: 2400 } });
    await bench.here.database.main.query('delete from model_rate');
  });

  it('without a row has succeeded at once', async () => {
    expect((await submit({ input: sent('') })).job).toMatchObject({ status: 'succeeded', total: 0 });
  });

  it('names a version or a label', async () => {
    expect((await submit({ version: '7' })).job.modelVersion).toBe('7');
    expect((await submit({ model: 'fraud@7' })).job.modelVersion).toBe('7');
  });

  it.each<[string, Partial<JobSubmission>, object]>([
    ['a model that is not there', { model: 'nobody' }, { code: 'model_not_found' }],
    ['a version that is not there', { version: '8' }, { code: 'model_version_not_found' }],
    ['an option that the model does not know', { options: { normalize: true } }, { code: 'unsupported_option' }],
    ['metadata with a NUL', { metadata: { 'a\u0000': 1 } }, faultOf('metadata')],
    ['metadata with half of a surrogate pair', { metadata: { a: [{ b: '\ud800' }] } }, faultOf('metadata')],
    ['metadata with an infinity', { metadata: { a: [Infinity] } }, faultOf('metadata')],
    ['metadata with an integer that no double holds', { metadata: { a: 2 ** 53 } }, faultOf('metadata')],
    ['metadata beyond 16 KiB', { metadata: { a: 'x'.repeat(16 * 1024) } }, faultOf('metadata')],
    ['a receiver without https', { webhookUrl: 'http://example.com/' }, faultOf('webhook_url')],
    ['a receiver inside', { webhookUrl: 'https://10.0.0.1/' }, faultOf('webhook_url')],
    ['a deadline in the past', { deadlineAtMs: Date.now() - 1 }, faultOf('deadline')],
    ['a deadline beyond all dates', { deadlineAtMs: 1e15 }, faultOf('deadline')],
    ['a share of errors that is none', { maxErrorRate: 1.5 }, faultOf('max_error_rate')],
    ['an empty key', { idempotencyKey: '' }, faultOf('Idempotency-Key')],
    ['a key that is too long', { idempotencyKey: 'k'.repeat(256) }, faultOf('Idempotency-Key')],
    ['an empty name of a field', { idField: '' }, faultOf('id_field')],
  ])('is refused for %s, before a byte of it is read', async (_, changes, fault) => {
    const input = sent(unread());
    await expect(submit({ input, ...changes })).rejects.toMatchObject(fault);
    expect(await bench.count('job')).toBe(0);
  });

  it('is told all that is wrong with it at once', async () => {
    const fault = await submit({ maxErrorRate: 2, idField: '' }).catch((error: unknown) => error);
    expect(fault).toMatchObject({ details: [{ field: 'max_error_rate' }, { field: 'id_field' }] });
  });

  it('may name receivers that are allowed', async () => {
    expect((await submit({ webhookUrl: 'http://inside:8080/hook' })).job.webhookUrl).toBe('http://inside:8080/hook');
  });

  it('may name none where messages cannot be signed', async () => {
    await using other = await bench.process();
    const { jobs } = other;
    await expect(jobs.submit(aSubmission({ webhookUrl: 'https://example.com/' }))).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('JOB_WEBHOOK_SECRET') as unknown,
    });
  });

  it('gives rows that cannot be read an error, or is refused with their lines', async () => {
    const text = '{"x":1}\nnonsense\n[]\n';
    const lines = await bench.lines(inputKey(await submitted({ input: sent(text) }), 0));
    expect(lines).toMatchObject([
      { row: { x: 1 } },
      { error: { code: 'invalid_json' } },
      { error: { code: 'invalid_input' } },
    ]);
    await bench.clear();
    await expect(submit({ input: sent(text), onInvalid: 'reject' })).rejects.toMatchObject({
      code: 'invalid_input',
      details: [{ field: 'line 2' }, { field: 'line 3' }],
    });
    expect([await bench.count('job'), await bench.files()]).toEqual([0, []]);
  });

  it('is refused beyond the uploads of a process, the jobs and the rows that may wait', async () => {
    await using other = await bench.process({ limits: { uploads: 1, activeJobs: 2, queuedRows: 5 } });
    const { jobs } = other;
    const [first, end] = held('{"x":1}\n');
    const uploading = jobs.submit(aSubmission({ input: sent(first) }));
    await expect(jobs.submit(aSubmission())).rejects.toMatchObject({ code: 'too_many_uploads', retryAfterMs: 1000 });
    end();
    await uploading;
    await jobs.submit(aSubmission({ input: sent(jsonl(1)) }));
    await expect(jobs.submit(aSubmission())).rejects.toMatchObject({ code: 'too_many_jobs' });
    await bench.clear();
    await jobs.submit(aSubmission({ input: sent(jsonl(5)) }));
    await expect(jobs.submit(aSubmission())).rejects.toMatchObject({ code: 'too_many_jobs' });
  });
});

describe('an upload that does not arrive whole', () => {
  const nothingIsLeft = async () => expect([await bench.count('job'), await bench.files()]).toEqual([0, []]);
  const manyRows = jsonl(3000);

  it.each<[string, () => Partial<JobSubmission>, string]>([
    ['whose client breaks off', () => ({ input: sent(broken(manyRows)) }), 'client_closed'],
    ['that is too large', () => ({ input: sent(jsonl(100_001)) }), 'body_too_large'],
    ['that is not compressed as it says', () => ({ input: sent(manyRows, { encoding: 'gzip' }) }), 'invalid_encoding'],
    ['that is no array to its end', () => ({ input: sent('[{"x":1}', { format: 'json' }) }), 'invalid_json'],
    ['whose columns do not fit', () => ({ input: sent('y\n1\n', { format: 'csv' }) }), 'invalid_request'],
  ])('and %s leaves nothing, and its key is free', async (_, changes, code) => {
    const key = { idempotencyKey: 'k' };
    await expect(submit({ ...changes(), ...key })).rejects.toMatchObject({ code });
    await nothingIsLeft();
    expect((await submit(key)).job.status).toBe('queued');
  });

  it('leaves nothing when its client leaves while nothing arrives', async () => {
    const client = new AbortController();
    const [silent] = held(manyRows);
    const refused = expect(submit({ input: sent(silent), signal: client.signal })).rejects.toMatchObject({
      code: 'client_closed',
    });
    await eventually(async () => (await bench.files()).length > 0);
    client.abort();
    await refused;
    await nothingIsLeft();
  });

  it('leaves nothing on a full disk, and says that it is full', async () => {
    bench.blobs.fail('storage_full');
    await expect(submit()).rejects.toMatchObject({ code: 'storage_full' });
    await nothingIsLeft();
  });

  it('leaves no job where its files cannot be deleted', async () => {
    bench.blobs.fail('storage_unavailable');
    await expect(submit({ idempotencyKey: 'k' })).rejects.toMatchObject({ code: 'storage_unavailable' });
    bench.blobs.recover();
    await submit({ idempotencyKey: 'k' });
  });

  it('shows the job as it ended when that was cancelled meanwhile, even while nothing arrives', async () => {
    await using other = await bench.process({ records: { uploadSilenceMs: 100 } });
    const { jobs } = other;
    const [silent] = held(manyRows);
    const uploading = jobs.submit(aSubmission({ input: sent(silent) }));
    await eventually(async () => (await bench.files()).length > 0);
    const id = (await jobs.list({ limit: 1 })).jobs[0]?.job.id ?? '';
    await jobs.cancel(id);
    expect((await uploading).job).toMatchObject({ id, status: 'cancelled', total: undefined });
    expect(await bench.files()).toEqual([]);
  });

  it('counts as one that goes on, however slowly', async () => {
    await using other = await bench.process({ records: { uploadSilenceMs: 40 } });
    const { jobs } = other;
    const [slow, end] = held('{"x":1}\n');
    const uploading = jobs.submit(aSubmission({ input: sent(slow) }));
    const seen = async () =>
      (await bench.here.database.main.query<{ seen: string }>('select upload_seen_at::text as seen from job')).rows[0]
        ?.seen;
    const first = await eventually(async () => (await seen()) ?? false);
    await eventually(async () => (await seen()) !== first);
    end();
    expect((await uploading).job.status).toBe('queued');
  });
});

describe('an idempotency key', () => {
  const key = { idempotencyKey: 'k' };

  it('gives the same job to the same body with the same options', async () => {
    const first = await submitted({ ...key, metadata: { a: 1, b: 2 } });
    expect(await submitted({ ...key, metadata: { b: 2, a: 1 } })).toBe(first);
    expect(await bench.count('job')).toBe(1);
  });

  it('gives the same job to the same JSON object', async () => {
    const input = { rows: [{ x: 1 }], body: Buffer.from('{"rows":[{"x":1}]}') };
    expect(await submitted({ ...key, input })).toBe(await submitted({ ...key, input }));
  });

  it.each<[string, Partial<JobSubmission>]>([
    ['another body', { input: sent('{"x":1}\n{"x":3}\n') }],
    ['a longer body', { input: sent('{"x":1}\n{"x":2}\n\n') }],
    ['another format', { input: sent('{"x":1}\n{"x":2}\n', { format: 'json' }) }],
    ['other options', { options: { top_k: 1 } }],
    ['another version', { version: '7' }],
    ['another deadline', { deadlineAtMs: Date.now() + 60_000 }],
  ])('is refused with %s', async (_, changes) => {
    const id = await submitted(key);
    const fault = { code: 'idempotency_key_reused', message: expect.stringContaining(id) as unknown };
    await expect(submit({ ...key, ...changes })).rejects.toMatchObject(fault);
    expect(await bench.count('job')).toBe(1);
  });

  it('gives the same job when its model is gone', async () => {
    const repeat = () => ({ ...key, model: 'fleeting', input: sent('{"x":1}\n') });
    bench.registry.add({ model: 'fleeting' });
    const first = await submitted(repeat());
    bench.registry.remove('fleeting', '1');
    await expect(submit({ model: 'fleeting' })).rejects.toMatchObject({
      code: expect.stringMatching(/^model_/) as unknown,
    });
    expect(await submitted(repeat())).toBe(first);
  });

  it('is in use while its first job arrives', async () => {
    const [slow, end] = held('{"x":1}\n{"x":2}\n');
    const first = submit({ ...key, input: sent(slow) });
    await eventually(async () => (await bench.count('job')) === 1);
    await expect(submit(key)).rejects.toMatchObject({ code: 'idempotency_key_in_use', retryAfterMs: 1000 });
    end();
    const { id } = (await first).job;
    expect(await submitted(key)).toBe(id);
  });

  it('is used up by a job that was cancelled before its input had arrived', async () => {
    const [slow, end] = held('{"x":1}\n{"x":2}\n');
    const first = submit({ ...key, input: sent(slow) });
    await eventually(async () => (await bench.count('job')) === 1);
    await process.jobs.cancel((await process.jobs.list({ limit: 1 })).jobs[0]?.job.id ?? '');
    end();
    expect((await first).job.status).toBe('cancelled');
    await expect(submit(key)).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  });

  it('makes one job of fifty submissions at once, in two processes', async () => {
    await using other = await bench.process();
    const attempts = Array.from({ length: 50 }, (_, at) =>
      [process, other][at % 2]?.jobs.submit(aSubmission(key)).then(
        ({ job }) => job.id,
        (fault: { readonly code?: string }) => fault.code,
      ),
    );
    const outcomes = new Set(await Promise.all(attempts));
    outcomes.delete('idempotency_key_in_use');
    expect(outcomes.size).toBe(1);
    expect(await bench.count('job')).toBe(1);
    expect(outcomes).toContain(await submitted(key));
  });
});

async function* compressed(text: string): AsyncGenerator<Uint8Array> {
  const bytes = gzipSync(text);
  for (let at = 0; at < bytes.length; at += 7) yield await Promise.resolve(bytes.subarray(at, at + 7));
}

async function* broken(text: string): AsyncGenerator<Uint8Array> {
  yield* bytesOf(text);
  throw new Error('aborted');
}

function unread(): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => {
      throw new Error('It was read.');
    },
  };
}

/** Bytes that arrive, and then nothing until the end is let through. */
function held(text: string): readonly [AsyncIterable<Uint8Array>, () => void] {
  const gate = Promise.withResolvers<void>();
  const bytes = async function* () {
    yield* bytesOf(text);
    await gate.promise;
  };
  return [bytes(), gate.resolve];
}

function faultOf(field: string): object {
  return { code: 'invalid_request', details: [{ field }] };
}
