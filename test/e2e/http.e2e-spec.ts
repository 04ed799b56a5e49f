import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { Executor } from '@app/inference';
import { ModelRegistry } from '@app/model-registry';
import { FakeExecutor, FakeModelRegistry, eventually, tiny } from '@app/testing';
import { Door, outcome } from './door';
import { RawConnection } from './raw-http';

const good = { text: 'a good day', model_id: 'sentiment' };
const GOOD = JSON.stringify(good);
/** The start of a JSON request that is written by hand, after its method and path. */
const HEAD = 'HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

describe('bodies', () => {
  let door: Door;

  beforeAll(async () => {
    door = await Door.open({
      models: { sentiment: tiny.classifierTiny() },
      settings: { HTTP_BODY_LIMIT_BYTES: '2048', HTTP_INFERENCE_BODY_LIMIT_BYTES: '8192', HTTP_BODY_TIMEOUT_MS: '150' },
    });
  });

  afterAll(() => door.close());

  const post = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
    door.post('/predict', body, headers);
  /** A body of so many bytes that is good JSON up to there. */
  const padded = (bytes: number) => GOOD.padEnd(bytes, ' ');

  it.each([
    ['as they are', GOOD, {}],
    ['in gzip', gzipSync(GOOD), { 'Content-Encoding': 'gzip' }],
    ['in GZIP', gzipSync(GOOD), { 'Content-Encoding': 'GZIP' }],
    ['in deflate', deflateSync(GOOD), { 'Content-Encoding': 'deflate' }],
    ['as identity', GOOD, { 'Content-Encoding': 'identity' }],
    ['with a charset', GOOD, { 'Content-Type': 'application/json; charset=UTF-8' }],
    ['with a quoted charset', GOOD, { 'Content-Type': 'Application/JSON;charset="utf-8"' }],
    ['after a byte order mark', `\ufeff${GOOD}`, {}],
  ])('are read %s', async (_name, body, headers) => {
    expect(outcome(await post(body, headers))).toBe('200');
  });

  it.each([
    ['text/plain', GOOD, { 'Content-Type': 'text/plain' }, '415 unsupported_media_type'],
    ['utf-7', GOOD, { 'Content-Type': 'application/json; charset=utf-7' }, '415 unsupported_media_type'],
    ['another JSON type', GOOD, { 'Content-Type': 'application/vnd.api+json' }, '415 unsupported_media_type'],
    ['a form', 'a=b', { 'Content-Type': 'application/x-www-form-urlencoded' }, '415 unsupported_media_type'],
    ['two types', GOOD, { 'Content-Type': 'application/json, text/plain' }, '415 unsupported_media_type'],
    ['br', GOOD, { 'Content-Encoding': 'br' }, '415 unsupported_encoding'],
    ['zstd', GOOD, { 'Content-Encoding': 'zstd' }, '415 unsupported_encoding'],
    ['two encodings', gzipSync(gzipSync(GOOD)), { 'Content-Encoding': 'gzip, gzip' }, '415 unsupported_encoding'],
    ['text that calls itself gzip', GOOD, { 'Content-Encoding': 'gzip' }, '400 invalid_encoding'],
    ['gzip that was cut', gzipSync(GOOD).subarray(0, 30), { 'Content-Encoding': 'gzip' }, '400 invalid_encoding'],
    ['deflate without its wrapper', deflateRawSync(GOOD), { 'Content-Encoding': 'deflate' }, '400 invalid_encoding'],
    ['nothing', '', {}, '400 invalid_json'],
    ['nothing in gzip', gzipSync(''), { 'Content-Encoding': 'gzip' }, '400 invalid_json'],
    ['a bare NaN', '{"text":"a","model_id":"sentiment","temperature":NaN}', {}, '400 invalid_json'],
    ['two values', `${GOOD}${GOOD}`, {}, '400 invalid_json'],
    ['UTF-16', Buffer.from(GOOD, 'utf16le'), {}, '400 invalid_json'],
    ['half a character', Buffer.from(GOOD.replace('good', 'é')).subarray(0, 12), {}, '400 invalid_utf8'],
    ['constructor.prototype', '{"constructor":{"prototype":{}}}', {}, '400 forbidden_key'],
    ['__proto__ in escapes', '{"a":[{"\\u005f_proto__":1}]}', {}, '400 forbidden_key'],
  ])('are refused: %s', async (_name, body, headers, expected) => {
    expect(outcome(await post(body, headers))).toBe(expected);
  });

  it('may have exactly as many bytes as the route takes', async () => {
    expect(outcome(await post(padded(2048)))).toBe('200');
    expect(outcome(await post(padded(2049)))).toBe('413 body_too_large');
    expect(outcome(await post(gzipSync(padded(2048)), { 'Content-Encoding': 'gzip' }))).toBe('200');
    expect(outcome(await post(gzipSync(padded(2049)), { 'Content-Encoding': 'gzip' }))).toBe('413 body_too_large');
  });

  it('may be larger where tensors travel', async () => {
    const rows = { rows: [{ text: 'good' }] };
    const predict = (bytes: number) =>
      door.post('/v1/models/sentiment/predict', JSON.stringify(rows).padEnd(bytes, ' '));
    expect(outcome(await predict(8192))).toBe('200');
    expect(outcome(await predict(8193))).toBe('413 body_too_large');
    expect(outcome(await door.post('/embed', padded(8192)))).toBe('400 task_mismatch');
  });

  it('are refused by the first rule that they break: size, encoding, type, text, structure, fields', async () => {
    const worst = { 'Content-Encoding': 'br', 'Content-Type': 'text/plain' };
    expect(outcome(await post('x'.repeat(4096), worst))).toBe('413 body_too_large');
    expect(outcome(await post('x', worst))).toBe('415 unsupported_encoding');
    expect(outcome(await post(new Uint8Array([0xff]), { 'Content-Type': 'text/plain' }))).toBe(
      '415 unsupported_media_type',
    );
    expect(outcome(await post(Buffer.concat([Buffer.from('['.repeat(100)), Buffer.from([0xff])])))).toBe(
      '400 invalid_utf8',
    );
    expect(outcome(await post(`${'['.repeat(100)}{"__proto__"`))).toBe('400 json_too_deep');
    expect(outcome(await post('{"__proto__":1, "nonsense"'))).toBe('400 forbidden_key');
  });

  it('of which the client tells too many bytes are refused unread, and the connection ends', async () => {
    await using connection = await RawConnection.to(door.url);
    connection.write(`POST /predict ${HEAD}Content-Length: 2049\r\n\r\n`);
    const answer = await connection.answer();
    expect(outcome(answer)).toBe('413 body_too_large');
    expect(answer.headers.get('connection')).toBe('close');
    await connection.whenClosed();
  });

  it('in chunks are refused where the limit is reached, and the client gets to see the answer while it still writes', async () => {
    const stream = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
    });
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: stream, duplex: 'half' };
    expect(outcome(await door.send('/predict', init as RequestInit))).toBe('413 body_too_large');
  });

  it('in a million chunks of one byte are read as any other', async () => {
    const bytes = Buffer.from(padded(2048));
    const chunks = [...bytes].map((byte) => `1\r\n${String.fromCharCode(byte)}\r\n`).join('');
    await using connection = await RawConnection.to(door.url);
    connection.write(`POST /predict ${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    connection.write(`${chunks}0\r\n\r\n`);
    expect(outcome(await connection.answer())).toBe('200');
  });

  it('that do not arrive in time get request_timeout, and the connection ends', async () => {
    await using connection = await RawConnection.to(door.url);
    connection.write(`POST /predict ${HEAD}Content-Length: 10\r\n\r\n{"te`);
    const answer = await connection.answer();
    expect(outcome(answer)).toBe('408 request_timeout');
    expect(answer.headers.get('x-should-retry')).toBe('true');
    await connection.whenClosed();
  });

  it('that stop because the client is gone leave nothing behind', async () => {
    const connection = await RawConnection.to(door.url);
    connection.write(`POST /predict ${HEAD}Content-Length: 10\r\n\r\n{"te`);
    connection.reset();
    await connection.whenClosed();
    expect(outcome(await post(GOOD))).toBe('200');
  });

  it('that were refused whole leave the connection usable', async () => {
    await using connection = await RawConnection.to(door.url);
    const send = (body: string) =>
      connection.write(`POST /predict ${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`);
    send('{}');
    expect(outcome(await connection.answer())).toBe('400 invalid_request');
    send(GOOD);
    expect(outcome(await connection.answer())).toBe('200');
  });

  it('of a GET are ignored, and the connection ends', async () => {
    await using connection = await RawConnection.to(door.url);
    connection.write('GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc');
    const answer = await connection.answer();
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
  });
});

describe('methods and paths', () => {
  let door: Door;

  beforeAll(async () => {
    door = await Door.open({ models: { sentiment: tiny.classifierTiny() } });
  });

  afterAll(() => door.close());

  it.each([
    ['GET', '/predict', 'OPTIONS, POST'],
    ['DELETE', '/v1/models/sentiment', 'GET, HEAD, OPTIONS'],
    ['PUT', '/v1/models/sentiment/predict', 'OPTIONS, POST'],
    ['POST', '/health', 'GET, HEAD, OPTIONS'],
    ['PATCH', '/', 'GET, HEAD, OPTIONS'],
    ['POST', '/docs', 'GET, HEAD, OPTIONS'],
  ])('answer %s %s with 405 and %s', async (method, path, allow) => {
    const answer = await door.send(path, { method });
    expect([outcome(answer), answer.headers.get('allow')]).toEqual(['405 method_not_allowed', allow]);
  });

  it.each([
    '/predict/x',
    '/v1',
    '/v1/models/a/b',
    '/v1/models/a/predict/b',
    '/etc/passwd',
    '/docs/x',
    '/%2e%2e/%2e%2e/etc',
    '/predict%00',
  ])('answer %s with 404', async (path) => {
    expect(outcome(await door.send(path))).toBe('404 route_not_found');
  });

  it.each(['/%', '/v1/models/%ZZ', '/v1/models/%c3%28', '/v1/models/a%2/schema', '/predict%ff'])(
    'answer %s, whose encoding is broken, with 400',
    async (path) => {
      expect(outcome(await door.send(path))).toBe('400 malformed_http');
    },
  );

  it('answer HEAD as GET, without the body', async () => {
    const answer = await door.send('/v1/models', { method: 'HEAD' });
    expect([answer.status, answer.text]).toEqual([200, '']);
  });

  it('answer OPTIONS with the methods of the path', async () => {
    const answer = await door.send('/predict', { method: 'OPTIONS' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, 'OPTIONS, POST']);
    expect(outcome(await door.send('/nowhere', { method: 'OPTIONS' }))).toBe('404 route_not_found');
  });

  it('tell nothing of what the server is made of, and forbid pages to do what they need not', async () => {
    const { headers } = await door.send('/health');
    expect(headers.has('x-powered-by')).toBe(false);
    expect(headers.has('etag')).toBe(false);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  it.each([
    ['Range', 'bytes=999999999-'],
    ['If-Match', '"x"'],
    ['If-Unmodified-Since', 'Thu, 01 Jan 1970 00:00:00 GMT'],
  ])('refuse what a file cannot do (%s) as any other request', async (name, value) => {
    const answer = await door.send('/docs/swagger-ui.css', { headers: { [name]: value } });
    expect(outcome(answer)).toBe('400 invalid_request');
  });

  it('show the API offline, under the same headers', async () => {
    const page = await door.send('/docs');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    const sources = [...page.text.matchAll(/(?:src|href)=["'](\.[^"']+)["']/g)].map(([, path]) => path ?? '');
    expect(sources.length).toBeGreaterThan(3);
    expect(page.text).not.toMatch(/(?:src|href)=["'](?:https?:)?\/\//);
    expect(page.text).not.toMatch(/<script(?![^>]*src=)/);
    for (const source of sources) expect((await door.send(new URL(source, 'http://x/docs').pathname)).status).toBe(200);
  });
});

it('a client that leaves takes its work with it', async () => {
  const [executor, registry] = [new FakeExecutor().hang(), new FakeModelRegistry()];
  registry.add({ model: 'echo' });
  await using door = await Door.open({
    override: (module) =>
      module.overrideProvider(Executor).useValue(executor).overrideProvider(ModelRegistry).useValue(registry),
  });
  const connection = await RawConnection.to(door.url);
  const body = '{"rows":[{"x":[1]}]}';
  const path = '/v1/models/echo/predict';
  connection.write(`POST ${path} ${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`);
  await executor.hasStarted(1);
  connection.reset();
  await connection.whenClosed();
  await eventually(() => executor.batches[0]?.signal.aborted === true);
  // Closing would wait for it.
  executor.release();
});
