import { gzipSync, zstdCompressSync } from 'node:zlib';
import { BlobStore } from '@app/blob-store';
import { QuaysideError } from '@app/core';
import { Database } from '@app/database';
import { HttpConnections } from '@app/health';
import { InMemoryBlobStore, type TestDatabase, eventually, testDatabase, tiny } from '@app/testing';
import type { JobJson } from './job-client';
import { type Answer, Door, type DoorOptions, errorOf, outcome } from './door';
import { HandWorker } from './hand-worker';
import { RawConnection } from './raw-http';

let here: TestDatabase;
let door: Door;
let worker: HandWorker;

async function close(): Promise<void> {
  await door.close();
  await here.close();
}

async function open({ settings, ...options }: DoorOptions = {}): Promise<void> {
  here = await testDatabase();
  door = await Door.open({
    models: {
      echo: { ...tiny.identity('FP32'), manifest: 'task: tensors' },
      texts: { ...tiny.identity('BYTES'), manifest: 'task: tensors' },
    },
    settings: { DATABASE_URL: here.url, ...settings },
    ...options,
  });
  await door.server.app.get(Database).whenUp();
  worker = new HandWorker(door);
}

const upload = (body: string | Uint8Array, headers: Record<string, string> = {}, query = 'model=echo') =>
  door.post(`/v1/jobs?${query}`, body, { 'Content-Type': 'application/x-ndjson', ...headers });
const jobOf = ({ body }: Answer) => body as JobJson;
const listed = async (query = '') =>
  ((await door.send(`/v1/jobs?${query}`)).body as { readonly data: readonly JobJson[] }).data;
const LINES = '{"x":[1]}\r\n\n{"x":[2]}';

/** A connection on which an upload was begun; nothing but the head is sent, and maybe the first bytes. */
async function begin(first = '', headers: readonly string[] = []): Promise<RawConnection> {
  const connection = await RawConnection.to(door.url);
  const head = ['POST /v1/jobs?model=echo HTTP/1.1', 'Host: localhost', 'Content-Type: application/jsonl', ...headers];
  connection.write(`${[...head, 'Transfer-Encoding: chunked'].join('\r\n')}\r\n\r\n`);
  if (first !== '') connection.write(pieceOf(first));
  return connection;
}

const pieceOf = (bytes: string) => `${Buffer.byteLength(bytes).toString(16)}\r\n${bytes}\r\n`;

describe('rows that are streamed are refused', () => {
  beforeAll(() => open());
  afterAll(close);

  it.each([
    ['a model that is not there', 'model=nobody', {}, '404 model_not_found'],
    ['a version that is not there', 'model=echo&version=7', {}, '404 model_version_not_found'],
    ['another media type', 'model=echo', { 'Content-Type': 'application/xml' }, '415 unsupported_media_type'],
    ['another charset', 'model=echo', { 'Content-Type': 'text/csv; charset=latin1' }, '415 unsupported_media_type'],
    ['another compression', 'model=echo', { 'Content-Encoding': 'br' }, '415 unsupported_encoding'],
    ['a parameter that nobody knows', 'model=echo&rows=1', {}, '400 invalid_request'],
    ['a parameter that stands twice', 'model=echo&model=echo', {}, '400 invalid_request'],
    ['options that are no JSON', 'model=echo&options=top_k', {}, '400 invalid_request'],
    ['an option that the task does not know', 'model=echo&options={"top_k":1}', {}, '400 unsupported_option'],
    ['a deadline that has passed', 'model=echo&deadline=2001-01-01T00:00:00Z', {}, '400 invalid_request'],
    ['a deadline without a zone', 'model=echo&deadline=2999-01-01T00:00:00', {}, '400 invalid_request'],
    ['metadata with NUL', `model=echo&metadata=${encodeURIComponent('{"a":"\\u0000"}')}`, {}, '400 invalid_request'],
    [
      'a receiver without a secret to sign with',
      'model=echo&webhook_url=https://example.com/',
      {},
      '400 invalid_request',
    ],
    ['a rate beyond 1', 'model=echo&max_error_rate=2', {}, '400 invalid_request'],
  ])('for %s while most of them are not sent', async (_name, query, headers, expected) => {
    expect(outcome(await upload('{"x":[1]}\n'.repeat(100_000), headers, query))).toBe(expected);
    expect(await listed()).toEqual([]);
  });
});

describe('rows that are streamed', () => {
  afterEach(close);

  it.each([
    ['NDJSON', LINES, { 'Content-Type': 'application/x-ndjson; charset=utf-8' }],
    ['JSON lines', LINES, { 'Content-Type': 'application/jsonl' }],
    ['a JSON array', '[{"x":[1]},\n{"x":[2]}]', { 'Content-Type': 'application/json' }],
    ['CSV', 'x\n[1]\n[2]\n', { 'Content-Type': 'text/csv' }],
    ['gzip', gzipSync(LINES), { 'Content-Encoding': 'gzip' }],
    ['zstd', zstdCompressSync(LINES), { 'Content-Encoding': 'zstd' }],
  ])('become the same job as %s', async (_name, body, headers) => {
    await open();
    const answer = await upload(body, headers);
    expect([answer.status, jobOf(answer).counts.total]).toEqual([202, 2]);
    await worker.run();
    const lines = (await door.send(`/v1/jobs/${jobOf(answer).id}/results`)).text;
    expect(lines).toBe('{"index":0,"id":"r0","output":{"y":[1]}}\n{"index":1,"id":"r1","output":{"y":[2]}}\n');
  });

  it('are said in the query what a body says beside its rows', async () => {
    await open();
    const query = new URLSearchParams({
      model: 'echo',
      version: '1',
      id_field: 'name',
      priority: 'low',
      metadata: '{"team":"a"}',
      deadline: '2999-01-01T00:00:00+02:00',
      on_invalid: 'record',
      max_error_rate: '0.5',
      options: '{"nonfinite":"null"}',
    });
    const answer = await upload('{"name":"first","x":["NaN"]}\nno row', {}, query.toString());
    expect(jobOf(answer)).toMatchObject({
      priority: 'low',
      metadata: { team: 'a' },
      deadline_at: '2998-12-31T22:00:00.000Z',
      counts: { total: 2 },
    });
    await worker.run();
    const lines = (await door.send(`/v1/jobs/${jobOf(answer).id}/results`)).text.split('\n');
    expect(lines[0]).toBe('{"index":0,"id":"first","output":{"y":[null]}}');
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ index: 1, id: 'r1', error: { code: 'invalid_json' } });
  });

  it('are refused with their lines where none may be unreadable, and nothing is left of the job', async () => {
    await open();
    const answer = await upload('{"x":[1]}\nno row\n{"x":[2]}\n7\n', {}, 'model=echo&on_invalid=reject');
    expect(errorOf(answer)).toMatchObject({
      code: 'invalid_input',
      details: [{ field: 'line 2' }, { field: 'line 4' }],
    });
    expect(await listed()).toEqual([]);
  });

  it('say which compressions are taken', async () => {
    await open();
    const answer = await upload(LINES, { 'Content-Encoding': 'br' });
    expect(answer.headers.get('Accept-Encoding')).toBe('gzip, zstd');
  });

  it.each([
    ['bytes that are announced', { JOB_MAX_BYTES: '1024' }, '{"x":[1]}\n'.repeat(200), {}],
    [
      'bytes once inflated',
      { JOB_MAX_BYTES: '1024', JOB_MAX_INFLATED_BYTES: '1024' },
      gzipSync('{"x":[1]}\n'.repeat(200)),
      { 'Content-Encoding': 'gzip' },
    ],
    ['rows', { JOB_MAX_ROWS: '100' }, '{"x":[1]}\n'.repeat(200), {}],
    ['bytes in a line', {}, `{"x":["${'1'.repeat(1 << 20)}"]}`, {}],
  ])('may not be too many %s', async (_name, settings, body, headers) => {
    await open({ settings });
    expect(outcome(await upload(body, headers))).toBe('413 body_too_large');
    expect(await listed()).toEqual([]);
  });

  it('may come slowly, and be followed by another request on the same connection', async () => {
    await open();
    await using connection = await begin('{"x":');
    await eventually(async () => (await listed('status=validating')).length === 1);
    connection.write(`${pieceOf('[1]}\n')}0\r\n\r\n`);
    expect((await connection.answer()).status).toBe(202);
    connection.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect((await connection.answer()).status).toBe(200);
  });

  it('must go on: an upload that falls silent gets request_timeout, and frees its key', async () => {
    await open({ settings: { HTTP_BODY_TIMEOUT_MS: '300' } });
    await using connection = await begin('{"x":[1]}\n', ['Idempotency-Key: mine']);
    const answer = await connection.answer();
    expect(outcome(answer)).toBe('408 request_timeout');
    await connection.whenClosed();
    expect(await listed()).toEqual([]);
    expect((await upload(LINES, { 'Idempotency-Key': 'mine' })).status).toBe(202);
  });

  it('leave nothing when the client leaves, and its key is free again', async () => {
    await open();
    await using connection = await begin('{"x":[1]}\n', ['Idempotency-Key: mine']);
    await eventually(async () => (await listed('status=validating')).length === 1);
    connection.reset();
    await eventually(async () => (await listed()).length === 0);
    expect((await upload(LINES, { 'Idempotency-Key': 'mine' })).status).toBe(202);
  });

  it('end when the job is cancelled while they come', async () => {
    await open();
    await using connection = await begin('{"x":[1]}\n');
    const [job] = await eventually(async () => {
      const jobs = await listed('status=validating');
      return jobs.length === 1 && jobs;
    });
    await door.send(`/v1/jobs/${job?.id}/cancel`, { method: 'POST' });
    const writing = setInterval(() => connection.write(pieceOf('{"x":[1]}\n'.repeat(1000))), 20);
    const answer = await connection.answer().finally(() => clearInterval(writing));
    expect([answer.status, jobOf(answer).status]).toEqual([202, 'cancelled']);
  });
});

/** A store that gives files whose reading breaks after their first bytes, or counts how many it was asked for. */
class WatchedBlobs extends InMemoryBlobStore {
  read = 0;
  breaks = false;

  override async get(...args: Parameters<BlobStore['get']>) {
    const content = await super.get(...args);
    if (!args[0].includes('/out/')) return content;
    this.read += 1;
    if (this.breaks && this.read > 1) throw new QuaysideError('storage_unavailable', 'The disk is gone.');
    return content;
  }
}

describe('results that are streamed', () => {
  afterEach(close);

  const BIG = `{"x":["${'x'.repeat(512 * 1024)}"]}\n`.repeat(48);

  async function ended(body: string, model: string): Promise<{ readonly id: string; readonly blobs: WatchedBlobs }> {
    const blobs = new WatchedBlobs();
    await open({ override: (module) => module.overrideProvider(BlobStore).useValue(blobs) });
    const answer = await upload(body, {}, `model=${model}`);
    expect(answer.status).toBe(202);
    await worker.run();
    return { id: jobOf(answer).id, blobs };
  }

  it('are an error like any other where the first of them cannot be read', async () => {
    const { id, blobs } = await ended('{"x":[1]}\n', 'echo');
    blobs.fail('storage_unavailable');
    expect(outcome(await door.send(`/v1/jobs/${id}/results`))).toBe('503 storage_unavailable');
  });

  it('break off where a later one cannot, so that nobody takes a part for the whole', async () => {
    const { id, blobs } = await ended('{"x":[1]}\n'.repeat(2001), 'echo');
    blobs.breaks = true;
    const response = await fetch(`${door.url}/v1/jobs/${id}/results`);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
  });

  it('are read no faster than they are taken, and no longer than anybody takes them', async () => {
    const { id, blobs } = await ended(BIG, 'texts');
    const leaving = new AbortController();
    const response = await fetch(`${door.url}/v1/jobs/${id}/results`, { signal: leaving.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    const files = (await worker.database.main.query('select from job_chunk where job_id = $1', [id])).rowCount;
    expect(blobs.read).toBeLessThan(files);
    leaving.abort();
    await eventually(() => door.server.app.get(HttpConnections).inFlight === 0);
    expect(blobs.read).toBeLessThan(files);
    const whole = await fetch(`${door.url}/v1/jobs/${id}/results`);
    expect((await whole.text()).split('\n')).toHaveLength(49);
  });

  it('have a head alone for HEAD', async () => {
    const { id, blobs } = await ended('{"x":[1]}\n', 'echo');
    const answer = await door.send(`/v1/jobs/${id}/results`, { method: 'HEAD' });
    expect([answer.status, answer.text, answer.headers.get('X-Results-Complete')]).toEqual([200, '', 'true']);
    expect(blobs.read).toBe(0);
  });
});
