import { type IncomingMessage, STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { QuaysideError, SystemClock } from '@app/core';
import { RequestContext, type RequestLog } from '@app/observability';
import { OverloadGate } from './overload-gate';
import { type RenderedError, asQuaysideError, renderError, sendRendered } from './render-error';

const LINGER_MS = 1000;
const ALLOWED_METHODS = 'GET, HEAD, OPTIONS, POST';

const HEADERS_TOO_LARGE = new QuaysideError('headers_too_large', 'The request line and the headers exceed 16 KiB.');
const TOO_SLOW = new QuaysideError('request_timeout', 'The headers of the request did not arrive in time.');
const NOT_HTTP = new QuaysideError('malformed_http', 'The request is not valid HTTP/1.1.');
const NO_HOST = new QuaysideError('malformed_http', 'An HTTP/1.1 request needs exactly one Host header.');
const NO_UPGRADE = new QuaysideError('malformed_http', 'The server speaks HTTP/1.1 and upgrades to nothing else.');
const NO_TUNNEL = new QuaysideError('method_not_allowed', 'CONNECT asks for a proxy, which this server is not.');
const NO_PATH = new QuaysideError('malformed_http', 'The target of the request is not a valid path.');
const TOO_MANY = new QuaysideError('overloaded', 'Too much work is waiting. Try again later.', { retryAfterMs: 1000 });
const ODD_EXPECT = new QuaysideError('expectation_failed', 'The only expectation that can be met is 100-continue.');

/** Faults of Node's parser and timers that say more than "this is not HTTP". */
const FAULTS: Readonly<Record<string, QuaysideError>> = {
  HPE_HEADER_OVERFLOW: HEADERS_TOO_LARGE,
  ERR_HTTP_REQUEST_TIMEOUT: TOO_SLOW,
};

/** Faults of a connection whose peer is gone: there is nobody to answer. */
const GONE: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ETIMEDOUT']);

/** Where a connection keeps the answer to its latest request: a WeakMap costs every request a microsecond. */
const LATEST = Symbol('latest answer');

type BusySocket = Socket & { [LATEST]?: ServerResponse };

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Answers what Node answers by itself with an empty body and no ids, or not at all: in the native error form, with both
 * ids and a log line, and closes. Each request gets one answer or a closed connection.
 */
export class BelowExpress {
  private readonly refused = new WeakSet<Socket>();
  private readonly gate = new OverloadGate(new SystemClock());
  private log: RequestLog | undefined;

  /** From now on every request is logged. */
  attach(log: RequestLog): void {
    this.log = log;
  }

  /** Takes the events of a server that would otherwise be answered by Node. */
  watch(server: Server): void {
    server.on('clientError', (fault: NodeJS.ErrnoException, socket: Duplex) => this.broken(fault, socket as Socket));
    server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
      this.refuse({ request, response }, ODD_EXPECT),
    );
    server.on('upgrade', (request: IncomingMessage, socket: Duplex) =>
      this.tookOver(socket as Socket, request, NO_UPGRADE),
    );
    server.on('connect', (request: IncomingMessage, socket: Duplex) =>
      this.tookOver(socket as Socket, request, NO_TUNNEL),
    );
  }

  /** Begins a request. False: it was refused, and Express must not see it. */
  begin(request: IncomingMessage, response: ServerResponse): boolean {
    const context = this.log?.begin(request, response);
    (request.socket as BusySocket)[LATEST] = response;
    if (!hasOneHost(request)) {
      this.refuse({ request, response }, NO_HOST);
      return false;
    }
    return !context || this.passes({ request, response }, context);
  }

  /** Lets a request in, and notes how it ends; or refuses it, and the connection stays. */
  private passes({ request, response }: Exchange, context: RequestContext): boolean {
    const path = pathOf(request);
    if (this.gate.admits(path)) {
      response.on('close', () => this.gate.ended(path, context.errorCode === TOO_MANY.code));
      return true;
    }
    context.errorCode = TOO_MANY.code;
    sendRendered(response, renderError(TOO_MANY, context));
    return false;
  }

  /**
   * Answers what Express gave up on: a target that it cannot read, or a fault in the error filter itself. Express would
   * send a page of its own, and would do so even when another answer has gone out, which throws where nobody catches.
   */
  unrouted(exchange: Exchange, fault: unknown): void {
    if (exchange.response.headersSent) return;
    this.refuse(exchange, fault === undefined ? NO_PATH : asQuaysideError(fault));
  }

  /** A broken body is reported twice, and so is what follows garbage: only the first report counts. */
  private broken(fault: NodeJS.ErrnoException, socket: Socket): void {
    if (GONE.has(fault.code) || !socket.writable) return void socket.destroy();
    if (this.refused.has(socket)) return;
    this.refused.add(socket);
    const error = FAULTS[fault.code ?? ''] ?? NOT_HTTP;
    const current = latestOn(socket);
    if (!current || current.response.writableFinished) return this.refuseRaw({ socket, error });
    if (!current.request.complete) return this.refuseBody(current, error);
    // What is broken came after a request whose answer is still to be written.
    current.response.once('close', () => this.refuseRaw({ socket, error }));
  }

  private refuseBody(exchange: Exchange, error: QuaysideError): void {
    // What has been written of an answer is still to go out.
    if (exchange.response.headersSent) exchange.request.socket.destroySoon();
    else this.refuse(exchange, error);
  }

  private refuse({ request, response }: Exchange, error: QuaysideError): void {
    const context = this.log?.begin(request, response) ?? new RequestContext(request.headers);
    context.errorCode = error.code;
    response.setHeader('Connection', 'close');
    sendRendered(response, renderError(error, context));
  }

  /** Node has taken its own listeners off a connection that asked for another protocol. */
  private tookOver(socket: Socket, request: IncomingMessage, error: QuaysideError): void {
    socket.on('error', () => socket.destroy());
    const current = latestOn(socket);
    const isBusy = current && !current.response.writableFinished && !current.response.destroyed;
    if (isBusy) current.response.once('close', () => this.refuseRaw({ socket, error, request }));
    else this.refuseRaw({ socket, error, request });
  }

  private refuseRaw({
    socket,
    error,
    request,
  }: {
    socket: Socket;
    error: QuaysideError;
    request?: IncomingMessage;
  }): void {
    if (!socket.writable) return void socket.destroy();
    const context = new RequestContext(request?.headers);
    context.errorCode = error.code;
    const rendered = renderError(error, context);
    const { text, bodyBytes } = rawAnswer(rendered, context);
    socket.end(text);
    this.log?.refused({ context, socket, request, status: rendered.status, bytesOut: bodyBytes });
    linger(socket);
  }
}

function latestOn(socket: BusySocket): Exchange | undefined {
  const response = socket[LATEST];
  return response && { request: response.req, response };
}

/** RFC 9112, section 3.2: a request of HTTP/1.1 without a Host header, or with two, is refused with 400. */
function hasOneHost({ headers, rawHeaders, httpVersion }: IncomingMessage): boolean {
  if (headers.host === undefined) return httpVersion === '1.0';
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts === 1;
}

function rawAnswer(rendered: RenderedError, context: RequestContext): { text: string; bodyBytes: number } {
  const body = JSON.stringify(rendered.body);
  const bodyBytes = Buffer.byteLength(body);
  const headers = {
    ...rendered.headers,
    ...(rendered.status === 405 && { Allow: ALLOWED_METHODS }),
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(bodyBytes),
    'X-Request-ID': context.requestId,
    'X-Trace-ID': context.traceId,
    Date: new Date().toUTCString(),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const status = `HTTP/1.1 ${rendered.status} ${STATUS_CODES[rendered.status] ?? ''}`;
  return { text: `${[status, ...lines].join('\r\n')}\r\n\r\n${body}`, bodyBytes };
}

/** Closing at once while the client still writes would reset the connection, and it would not see the answer. */
function linger(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once('end', () => socket.destroy());
  socket.once('close', () => clearTimeout(timer));
  socket.resume();
}

function pathOf({ url = '' }: IncomingMessage): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}
