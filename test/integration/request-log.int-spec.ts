import { once } from 'node:events';
import { type Server, createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, type Socket, connect } from 'node:net';
import { Writable } from 'node:stream';
import { RequestLog, requestContext } from '@app/observability';
import { eventually } from '@app/testing';
import { pino } from 'pino';

describe(RequestLog.name, () => {
  let server: Server;
  let lines: Record<string, unknown>[];
  let port: number;
  let signals: AbortSignal[];

  beforeEach(async () => {
    lines = [];
    signals = [];
    const sink = new Writable({ write: (line, _encoding, done) => (lines.push(JSON.parse(String(line))), done()) });
    const log = new RequestLog(pino({ base: null, formatters: { level: (level) => ({ level }) } }, sink));
    server = createServer((request, response) => {
      const context = log.begin(request, response);
      expect(log.begin(request, response)).toBe(context);
      signals.push(context.signal);
      const status = /^\/status\/(\d+)/.exec(request.url ?? '')?.[1];
      if (status) response.writeHead(Number(status)).end('four');
      else if (request.url === '/known') answerKnown();
      else if (request.url !== '/never') response.end();

      function answerKnown(): void {
        Object.assign(requestContext(request), {
          route: '/:known',
          model: 'm',
          modelVersion: '2',
          cache: 'off',
          queueMs: 1.00049,
          computeMs: 2,
          batchSize: 3,
          bytesIn: 9,
        });
        response.setHeader('Content-Length', 5).end('known');
      }
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const get = (path: string, headers = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers });

  it('writes one line with everything that became known, under the ids of the answer', async () => {
    const answer = await get('/known', { 'X-Request-ID': 'mine', 'User-Agent': 'test/1' });
    await answer.text();
    await eventually(() => lines.length > 0);
    expect(answer.headers.get('x-request-id')).toBe('mine');
    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.any(Number),
        event: 'request_completed',
        request_id: 'mine',
        trace_id: answer.headers.get('x-trace-id'),
        method: 'GET',
        path: '/known',
        route: '/:known',
        status: 200,
        duration_ms: expect.any(Number),
        queue_ms: 1,
        compute_ms: 2,
        bytes_in: 9,
        bytes_out: 5,
        model: 'm',
        model_version: '2',
        cache: 'off',
        batch_size: 3,
        client_ip: '127.0.0.0/24',
        user_agent: 'test/1',
        error_code: null,
      },
    ]);
  });

  it('replaces two ids, and logs no query', async () => {
    const sent = httpRequest({
      port,
      path: '/status/200?key=secret',
      headers: { 'X-Request-ID': ['one', 'two'] },
    }).end();
    const [answer] = await once(sent, 'response');
    answer.resume();
    await eventually(() => lines.length > 0);
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(lines).toMatchObject([{ request_id: answer.headers['x-request-id'], path: '/status/200' }]);
  });

  it.each([
    ['/status/404', 'info'],
    ['/status/500', 'error'],
    ['/status/503', 'warn'],
  ])('logs %s at %s', async (path, level) => {
    await (await get(path)).text();
    await eventually(() => expect(lines).toMatchObject([{ level }]));
  });

  it('logs probes only when they fail', async () => {
    for (const path of ['/health', '/ready', '/startup', '/status/503']) await (await get(path)).text();
    await eventually(() => expect(lines.map((line) => line['path'])).toEqual(['/status/503']));
  });

  it('logs 499 and aborts for a client that leaves, also for what waited behind on its connection', async () => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET /never HTTP/1.1\r\nHost: a\r\n\r\nGET /known HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(() => signals.length === 2);
    expect(signals.some(({ aborted }) => aborted)).toBe(false);
    socket.destroy();
    await eventually(() => expect(lines).toHaveLength(2));
    expect(lines.every(({ status, error_code: code }) => status === 499 && code === 'client_closed')).toBe(true);
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
  });

  it('warns of no leak however many requests wait on one connection', async () => {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const socket = connect(port, '127.0.0.1');
    const [connection] = await accepted;
    socket.write('GET /never HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(30));
    await eventually(() => signals.length === 30);
    // Above this number Node warns, with a text of its own on stderr; 0 stands for any number.
    expect(connection.listenerCount('close')).toBeLessThanOrEqual(connection.getMaxListeners() || Infinity);
    socket.destroy();
    await eventually(() => expect(lines).toHaveLength(30));
  });

  it('aborts nothing when the answer is out', async () => {
    await (await get('/known')).text();
    await eventually(() => lines.length > 0);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
  });
});
