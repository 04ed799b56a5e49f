import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { Writable } from 'node:stream';
import { RequestLog } from '@app/observability';
import { HttpConnections } from '@app/health';
import { pino } from 'pino';
import { QuaysideExpressAdapter } from '../../apps/api/src/http/quayside-express-adapter';
import type { ErrorResponse } from '../../apps/api/src/http/error.dto';
import { eventually } from '@app/testing';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Everything the server sends until it closes. */
async function exchange(port: number, ...parts: readonly string[]): Promise<Answer[]> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
  await once(socket, 'connect');
  for (const part of parts) {
    socket.write(part);
    await new Promise(setImmediate);
  }
  await once(socket, 'close');
  return parseAnswers(Buffer.concat(chunks).toString());
}

function parseAnswers(text: string): Answer[] {
  const answers: Answer[] = [];
  let rest = text;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    const [status = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
    );
    const length = Number(headers['content-length']);
    answers.push({ status: Number(status.split(' ')[1]), headers, body: rest.slice(end + 4, end + 4 + length) });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

describe('below Express', () => {
  let adapter: QuaysideExpressAdapter;
  let port: number;
  let lines: Record<string, unknown>[];

  beforeEach(async () => {
    lines = [];
    const sink = new Writable({
      write: (line, _encoding, done) => {
        lines.push(JSON.parse(String(line)));
        done();
      },
    });
    adapter = new QuaysideExpressAdapter({
      // Long, since on a busy machine any client is slow; short where a test waits for it.
      headersTimeoutMs: 600_000,
      keepAliveTimeoutMs: 72_000,
      maxConnections: 100,
      trustedProxyHops: 0,
      checkConnectionsEveryMs: 20,
    });
    adapter.initHttpServer();
    adapter.attach({ requestLog: new RequestLog(pino({ base: null }, sink)), connections: new HttpConnections() });
    adapter.get('/fine', (_request: unknown, response: { json(body: unknown): void }) => response.json({ fine: true }));
    adapter.post('/body', () => {});
    adapter.listen(0, '127.0.0.1');
    await once(adapter.getHttpServer(), 'listening');
    port = (adapter.getHttpServer().address() as AddressInfo).port;
  });

  afterEach(async () => {
    adapter.getHttpServer().closeAllConnections();
    await adapter.close();
  });

  const post = 'POST /body HTTP/1.1\r\nHost: a\r\n';
  const cases: readonly [name: string, sent: readonly string[], status: number, code: string][] = [
    ['garbage', ['\x16\x03\x01 garbage\r\n\r\n'], 400, 'malformed_http'],
    ['an unknown method', ['BREW /fine HTTP/1.1\r\nHost: a\r\n\r\n'], 400, 'malformed_http'],
    ['a broken chunk', [`${post}Transfer-Encoding: chunked\r\n\r\n`, 'zz\r\nbroken'], 400, 'malformed_http'],
    ['two body lengths', [`${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n`], 400, 'malformed_http'],
    [
      'headers over 16 KiB',
      [`GET /fine HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`],
      431,
      'headers_too_large',
    ],
    ['headers that do not end', ['GET /fine HTTP/1.1\r\nHost: a\r\n'], 408, 'request_timeout'],
    ['a connection that stays silent', [], 408, 'request_timeout'],
    ['an odd expectation', [`${post}Expect: coffee\r\nContent-Length: 2\r\n\r\n`], 417, 'expectation_failed'],
    [
      'an upgrade',
      ['GET /fine HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
      400,
      'malformed_http',
    ],
    ['CONNECT', ['CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n'], 405, 'method_not_allowed'],
    ['no Host', ['GET /fine HTTP/1.1\r\n\r\n'], 400, 'malformed_http'],
    ['two Hosts', ['GET /fine HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n'], 400, 'malformed_http'],
  ];

  it.each(cases)(
    'answers %s once, with our body, both ids and a log line, and closes',
    async (_name, sent, status, code) => {
      if (code === 'request_timeout') adapter.getHttpServer().headersTimeout = 50;
      const answers = await exchange(port, ...sent);
      expect(answers).toHaveLength(1);
      const [{ headers, body }] = answers as [Answer];
      const { error } = JSON.parse(body) as ErrorResponse;
      expect(answers[0]?.status).toBe(status);
      expect(error).toMatchObject({ code, status, message: expect.any(String), details: [] });
      expect(headers).toMatchObject({
        connection: 'close',
        'x-request-id': error.request_id,
        'x-trace-id': error.trace_id,
        'x-should-retry': String(error.retryable),
        'content-type': 'application/json; charset=utf-8',
      });
      await eventually(() => expect(lines).toHaveLength(1));
      expect(lines[0]).toMatchObject({
        event: 'request_completed',
        request_id: error.request_id,
        status,
        error_code: code,
      });
    },
  );

  it('echoes the request id of what it could read', async () => {
    const [answer] = await exchange(port, 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\nX-Request-ID: mine-1\r\n\r\n');
    expect(answer?.headers).toMatchObject({ 'x-request-id': 'mine-1', allow: 'GET, HEAD, OPTIONS, POST' });
  });

  it('answers a request before garbage, then the garbage', async () => {
    const answers = await exchange(port, 'GET /fine HTTP/1.1\r\nHost: a\r\n\r\ngarbage\r\n\r\n');
    expect(answers.map(({ status }) => status)).toEqual([200, 400]);
    await eventually(() => expect(lines.map((line) => line['status'])).toEqual([200, 400]));
  });

  it('serves a client that offers HTTP/2, and one of HTTP/1.0 without Host', async () => {
    const offer =
      'Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n';
    const answers = await exchange(port, `GET /fine HTTP/1.1\r\nHost: a\r\n${offer}\r\n`);
    expect(answers).toMatchObject([{ status: 200, body: '{"fine":true}' }]);
    expect(await exchange(port, 'GET /fine HTTP/1.0\r\n\r\n')).toMatchObject([{ status: 200 }]);
  });

  it('writes nothing to a client that is gone, and logs its request as 499', async () => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`${post}Content-Length: 10\r\n\r\nhalf`);
    await eventually(() => expect(adapter.getHttpServer()).toBeDefined());
    await new Promise(setImmediate);
    socket.resetAndDestroy();
    await eventually(() => expect(lines).toMatchObject([{ status: 499, error_code: 'client_closed', method: 'POST' }]));
  });
});
