import { temporaryDirectory, tiny, writeModel } from '@app/testing';
import fc from 'fast-check';
import { ApiContract } from './api-contract';
import { type Answer, ApiClient, outcome } from './door';
import { RawConnection } from './raw-http';
import { ServerProcess } from './server-process';

const METHODS = [
  'GET',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PROPFIND',
  'QUERY',
  'BREW',
  'get',
];

const TARGETS = [
  '/',
  '/predict',
  '/embed',
  '/v1/models',
  '/v1/models/sentiment',
  '/v1/models/sentiment/schema',
  '/v1/models/sentiment/predict',
  '/health',
  '/ready',
  '/startup',
  '/openapi.json',
  '/docs',
  '/docs/',
  '/docs/swagger-ui.css',
  '/docs/index.html',
  '/docs/LICENSE',
  '*',
  'http://evil/predict',
  'http://[::1/predict',
  'http://',
  '//evil',
  '/?',
  '/#',
  '/predict#a',
  '/%2f',
  '/predict/',
  '/PREDICT',
  '/v1//models',
  '/v1/models/..',
  '/v1/models/%2e%2e',
  '/docs/%2e%2e/%2e%2e/package.json',
  `/${'a'.repeat(8000)}`,
  `/predict?${'a[]=1&'.repeat(500)}`,
  '/predict?__proto__[x]=1',
  '/v1/models/\xff',
  '/\\',
  '/;',
  '/v1/models/a?b/predict',
  '/%',
  '/\0',
];

const HEADERS = [
  'Content-Type: application/json',
  'Content-Type: text/plain',
  'Content-Type:',
  'Content-Encoding: gzip',
  'Content-Encoding: deflate',
  'Content-Encoding:',
  'Accept: text/html',
  'Range: bytes=5-1',
  'Range: bytes=0-0,2-3',
  'If-Match: *',
  'If-None-Match: *',
  'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT',
  'Origin: null',
  'Access-Control-Request-Method: POST',
  'X-HTTP-Method-Override: DELETE',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'Connection: upgrade',
  'Connection: close',
  'Expect: x',
  'TE: trailers',
  'Trailer: x',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity',
  'Content-Length: 5',
  'Content-Length: 5, 5',
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'X-Request-ID: \x80',
  'X-Request-Timeout-Ms: 1',
  'X-Request-Timeout-Ms: x',
  'traceparent: 00-',
  'Host: a',
  'Host: localhost:99999',
  'X-Forwarded-For: ,,',
  '__proto__: 1',
  'constructor: 1',
  `X: ${'y'.repeat(9000)}`,
  ' folded',
  'NoColon',
  'Sec-WebSocket-Key: x',
];

const BODIES = [
  '',
  '{}',
  '5\r\nhello\r\n0\r\n\r\n',
  '0\r\n\r\n',
  'zz\r\n',
  'x'.repeat(50),
  '\0\xff',
  '{"text":"a","model_id":"sentiment"}',
];

/** Requests that may be anything but well-formed, as bytes. */
const requests = fc
  .record({
    method: fc.constantFrom(...METHODS),
    target: fc.constantFrom(...TARGETS),
    version: fc.constantFrom('1.1', '1.1', '1.1', '1.0', '2.0'),
    headers: fc.subarray(HEADERS, { maxLength: 4 }),
    body: fc.constantFrom(...BODIES),
  })
  .map(({ method, target, version, headers, body }) => {
    const lines = [`${method} ${target} HTTP/${version}`, 'Host: localhost', ...headers];
    return { method, path: target, bytes: Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1') };
  });

describe('requests written by hand', () => {
  let server: ServerProcess;
  let client: ApiClient;

  beforeAll(async () => {
    const models = await temporaryDirectory();
    await writeModel(models, { name: 'sentiment', model: tiny.classifierTiny() });
    server = await ServerProcess.start({
      MODEL_DIR: models,
      EXECUTOR_COUNT: '1',
      HTTP_BODY_TIMEOUT_MS: '100',
    });
    client = new ApiClient(await server.ready());
  });

  afterAll(() => server[Symbol.asyncDispose]());

  async function firstAnswer(bytes: Uint8Array): Promise<Answer> {
    await using connection = await RawConnection.to(client.url);
    connection.write(bytes);
    return await connection.answer();
  }

  it('get one answer that their route documents, never 5xx, and leave the server alive and without a complaint', async () => {
    const contract = ApiContract.committed();
    await fc.assert(
      fc.asyncProperty(requests, async ({ method, path, bytes }) => {
        const answer = await firstAnswer(bytes);
        expect(answer.status).toBeLessThan(500);
        contract.check({ method, path, answer, asksForNumbers: false });
      }),
      { numRuns: 1000 },
    );
    const good = await client.post('/predict', { text: 'good', model_id: 'sentiment' });
    expect(outcome(good)).toBe('200');
    expect(server.lines.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
  });

  it('of which Express cannot read the target are refused, also when their body breaks', async () => {
    const answer = await firstAnswer(
      Buffer.from('PUT http://[::1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'),
    );
    expect(outcome(answer)).toBe('400 malformed_http');
    expect((await client.send('/health')).status).toBe(200);
  });
});
