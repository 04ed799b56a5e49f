import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { type TestDatabase, eventually, temporaryDirectory, testDatabase, tiny, writeModel } from '@app/testing';
import { ApiContract } from './api-contract';
import { ApiClient, outcome } from './door';
import { RawConnection } from './raw-http';
import { ServerProcess } from './server-process';

/** Stands in every request, and must stand in no line of the log. */
const CANARY = 'canary-7f3a9c';

/** A body that its route takes, by route. */
const GOOD: Readonly<Record<string, object>> = {
  '/predict': { text: `a good day ${CANARY}`, model_id: 'sentiment' },
  '/embed': { text: [CANARY, 'b'], model_id: 'vectors' },
  '/v1/models/{model}/predict': { inputs: { x: [[1, 2]] } },
  '/v1/feature-views/{view}/rows': {
    rows: [{ entities: { applicant_id: CANARY }, event_ts: '2026-01-05T08:00:00Z', features: { job: CANARY } }],
  },
  '/v1/jobs': { model: 'echo', rows: [{ x: [1, 2] }], metadata: { canary: CANARY } },
  '/v1/features/query': { features: ['applicant_profile@1:job'], rows: [{ applicant_id: CANARY }] },
};

const pathOf = (template: string): string => template.replace('{model}', 'echo').replace('{view}', 'applicant_profile');
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
/** A second of work, so it is done once. */
let zeros: Uint8Array | undefined;
const zippedZeros = (): Uint8Array => (zeros ??= gzipSync(Buffer.alloc(100_000_000)));
const wideObject = (keys: number): string => `{${Array.from({ length: keys }, (_, at) => `"k${at}":0`).join(',')}}`;

/** What a hostile or broken client sends, with what it gets, on every route that takes a body. */
const BODIES: readonly (readonly [string, () => string | Uint8Array, Readonly<Record<string, string>>, string])[] = [
  ['100 MB of zeros in gzip', zippedZeros, { 'Content-Encoding': 'gzip' }, '413 body_too_large'],
  ['20 MB', () => Buffer.alloc(20_000_000, 0x20), {}, '413 body_too_large'],
  ['10 kB of [', () => '['.repeat(10_000), {}, '400 json_too_deep'],
  ['5,000 objects in each other', () => '{"a":'.repeat(5000), {}, '400 json_too_deep'],
  ['65 levels', () => nested(65), {}, '400 json_too_deep'],
  ['64 levels', () => nested(64), {}, '400 invalid_request'],
  ['80,000 keys', () => wideObject(80_000), {}, '400 json_too_many_keys'],
  ['1,001 keys', () => wideObject(1001), {}, '400 json_too_many_keys'],
  ['1,000 keys', () => wideObject(1000), {}, '400 invalid_request'],
  ['a million commas', () => `[${','.repeat(1_000_000)}]`, {}, '400 invalid_json'],
  ['a string of 1 MB', () => JSON.stringify('x'.repeat(1_000_000)), {}, '400 invalid_request'],
  ['300,000 small lists', () => `[${'[],'.repeat(300_000)}0]`, {}, '400 invalid_request'],
  ['a number of 100,000 digits', () => '9'.repeat(100_000), {}, '400 invalid_request'],
  ['a key of 100,000 characters', () => `{"${'k'.repeat(100_000)}":1}`, {}, '400 invalid_request'],
  ['__proto__', () => '{"__proto__":{"admin":true}}', {}, '400 forbidden_key'],
  ['constructor.prototype', () => '{"constructor":{"prototype":{"admin":true}}}', {}, '400 forbidden_key'],
  ['null', () => 'null', {}, '400 invalid_request'],
  ['a list', () => '[]', {}, '400 invalid_request'],
  ['a number', () => '1e999', {}, '400 invalid_request'],
  ['nothing', () => '', {}, '400 invalid_json'],
  ['NaN', () => 'NaN', {}, '400 invalid_json'],
  ['half of a JSON', () => `{"text":"${CANARY}`, {}, '400 invalid_json'],
  ['invalid UTF-8', () => Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x7d]), {}, '400 invalid_utf8'],
  ['overlong UTF-8', () => Buffer.from([0x22, 0xc0, 0xaf, 0x22]), {}, '400 invalid_utf8'],
  ['a surrogate in UTF-8', () => Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), {}, '400 invalid_utf8'],
  ['XML', () => `<a>${CANARY}</a>`, { 'Content-Type': 'application/xml' }, '415 unsupported_media_type'],
  ['a form', () => 'a=1', { 'Content-Type': 'multipart/form-data; boundary=x' }, '415 unsupported_media_type'],
  ['zstd', () => '{}', { 'Content-Encoding': 'zstd' }, '415 unsupported_encoding'],
  ['a wild deadline', () => '{}', { 'X-Request-Timeout-Ms': '-1' }, '400 invalid_request'],
  ['a wild traceparent', () => '{}', { traceparent: '00-zz' }, '400 invalid_request'],
];

/** Bodies for the routes that take up to 16 MiB. */
const LARGE: readonly (readonly [string, () => string, string])[] = [
  ['a million keys', () => wideObject(1_000_000), '400 json_too_many_keys'],
  ['five million lists', () => `[${'[],'.repeat(5_000_000)}0]`, '413 body_too_large'],
  ['five million objects', () => `[${'{},'.repeat(5_000_000)}0]`, '413 body_too_large'],
  [
    'eight million numbers in a shape that the model does not take',
    () => `{"inputs":{"x":[[[${'1,'.repeat(8_000_000)}1]]]}}`,
    '400 invalid_input',
  ],
  ['a million lists of five', () => `{"inputs":{"x":[${'[1,1,1,1,1],'.repeat(1 << 20)}[1]]}}`, '413 body_too_large'],
];

/** Good JSON with values that no model can take. */
const VALUES: readonly (readonly [string, string, object])[] = [
  ['a shape that is not the model’s', '/v1/models/{model}/predict', { inputs: { x: [[[1]]] } }],
  ['ragged rows', '/v1/models/{model}/predict', { inputs: { x: [[1], [1, 2]] } }],
  ['a text for a number', '/v1/models/{model}/predict', { inputs: { x: [['1']] } }],
  ['an object for a number', '/v1/models/{model}/predict', { inputs: { x: [[{ valueOf: 1 }]] } }],
  ['a number that FP32 cannot hold', '/v1/models/{model}/predict', { inputs: { x: [[1e300]] } }],
  ['an input named toString', '/v1/models/{model}/predict', { inputs: { toString: [[1]], x: [[1]] } }],
  [
    'an output named hasOwnProperty',
    '/v1/models/{model}/predict',
    { inputs: { x: [[1]] }, outputs: ['hasOwnProperty'] },
  ],
  ['an output named twice', '/v1/models/{model}/predict', { inputs: { x: [[1]] }, outputs: ['y', 'y'] }],
  ['dimensions of 2^31', '/embed', { text: 'a', model_id: 'vectors', dimensions: 2 ** 31 }],
  ['a model named toString', '/embed', { text: 'a', model_id: 'toString' }],
  ['a model named ../../etc/passwd', '/embed', { text: 'a', model_id: '../../etc/passwd' }],
  ['top_k of 2^53', '/predict', { ...GOOD['/predict'], top_k: 2 ** 53 }],
  ['an unpaired surrogate', '/predict', { ...GOOD['/predict'], text: '\ud800' }],
];

describe('a server under abuse', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let client: ApiClient;

  beforeAll(async () => {
    const models = await temporaryDirectory();
    await writeModel(models, { name: 'sentiment', model: tiny.classifierTiny() });
    await writeModel(models, { name: 'vectors', model: tiny.embedderTiny() });
    await writeModel(models, { name: 'echo', model: tiny.identity('FP32'), manifest: 'task: tensors' });
    database = await testDatabase();
    server = await ServerProcess.start({
      MODEL_DIR: models,
      EXECUTOR_COUNT: '1',
      LOG_LEVEL: 'info',
      DATABASE_URL: database.url,
      // Each look at whether it lives is a job, and no worker ends any.
      JOB_MAX_ACTIVE: '100000',
      // A read that waits behind a large body on a busy machine is not what is tried here.
      FEATURE_READ_TIMEOUT_MS: '200',
    });
    client = new ApiClient(await server.ready());
    await eventually(expectAlive);
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await database.close();
  });

  async function expectAlive(): Promise<void> {
    expect((await client.send('/health')).status).toBe(200);
    for (const [route, body] of Object.entries(GOOD))
      expect(outcome(await client.post(pathOf(route), body))).toBe(route === '/v1/jobs' ? '202' : '200');
  }

  /** Memory of the server alone, without its executors; 0 where the system does not tell. */
  function residentBytes(): number {
    try {
      const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }

  describe.each(Object.keys(GOOD))('on POST %s', (route) => {
    it.each(BODIES)('refuses %s, and lives', async (_name, body, headers, expected) => {
      expect(outcome(await client.post(pathOf(route), body(), headers))).toBe(expected);
      await expectAlive();
    });
  });

  it.each(VALUES)('refuses %s, and lives', async (_name, route, body) => {
    const answer = await client.post(pathOf(route), body);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    await expectAlive();
  });

  it.each([
    '../etc',
    'a/../b',
    '%2e%2e',
    '%2e%2e%2f%2e%2e%2fetc',
    '%00',
    'a%00b',
    'x'.repeat(300),
    'toString',
    '__proto__',
    'CON',
    '%F0%9F%98%80',
    '%20',
    '*',
    '@',
    '@1',
    '@@',
  ])('knows no model %j, and asks no file system for it', async (name) => {
    for (const path of [`/v1/models/${name}`, `/v1/models/${name}/schema`]) {
      // fetch would take the dots out of the path, and ask for something else.
      await using connection = await RawConnection.to(client.url);
      connection.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      expect(outcome(await connection.answer())).toMatch(/^404 (model|route)_not_found$/);
    }
    await expectAlive();
  });

  it.each(LARGE)('refuses %s where bodies may be large, and lives', async (_name, body, expected) => {
    expect(outcome(await client.post('/v1/models/echo/predict', body()))).toBe(expected);
    await expectAlive();
  });

  it('needs no more memory for later rounds of it than for the first', async () => {
    const rounds: number[] = [];
    for (let round = 0; round < 3; round++) {
      for (const [, body] of LARGE) await client.post('/v1/models/echo/predict', body());
      for (const [, body, headers] of BODIES) await client.post('/embed', body(), headers);
      rounds.push(residentBytes());
    }
    // What the collector has not come to yet is no leak: the lower of the later two counts.
    const [first = 0, ...later] = rounds;
    expect(Math.min(...later) - first).toBeLessThan(64 * 1024 * 1024);
  });

  it('wrote one line per request, with the id of its answer', async () => {
    const answer = await client.send('/nowhere', { headers: { 'X-Request-ID': 'the-last-one' } });
    expect(answer.headers.get('x-request-id')).toBe('the-last-one');
    await eventually(() => server.lines.some((line) => line['request_id'] === 'the-last-one'));
    const ids = server.lines.filter(({ event }) => event === 'request_completed').map((line) => line['request_id']);
    expect(ids.length).toBeGreaterThan(100);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('wrote nothing of what clients sent into its log', async () => {
    const headers = { Authorization: CANARY, Cookie: CANARY, 'X-Api-Key': CANARY, traceparent: CANARY, Origin: CANARY };
    await client.send(`/v1/models?key=${CANARY}`, { headers: { ...headers, 'X-Request-ID': 'the-canary' } });
    await client.post('/predict', { [CANARY]: 1 }, headers);
    await eventually(() => server.lines.some((line) => line['request_id'] === 'the-canary'));
    expect(JSON.stringify(server.lines)).not.toContain(CANARY);
    expect(server.complaint).toBe('');
  });
});

it('tries every route of the document that takes a body', () => {
  const { paths } = ApiContract.committed().document;
  const withBody = Object.keys(paths).filter((path) => paths[path]?.['post']?.requestBody);
  expect(withBody.sort()).toEqual(Object.keys(GOOD).sort());
});
