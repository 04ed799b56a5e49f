import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { clientNetwork } from './client-network';
import { type RequestContext, findRequestContext, openRequestContext } from './request-context';

const CLIENT_CLOSED = 499;
const PROBES: ReadonlySet<string> = new Set(['/health', '/ready', '/startup', '/v2/health/live', '/v2/health/ready']);
const MAX_LOGGED_CHARACTERS = 256;

/** What a request that never became one (it was not HTTP, or has no response object) is logged with. */
export interface RefusedRequest {
  readonly context: RequestContext;
  readonly socket: Socket;
  readonly status: number;
  readonly bytesOut: number;
  readonly request?: IncomingMessage | undefined;
}

/**
 * Gives every request its ids, and writes exactly one `request_completed` line for it: when its answer is out, or when
 * its connection broke. Probes are logged only when they fail.
 */
export class RequestLog {
  constructor(private readonly logger: Logger) {}

  /** Call it with each request before anything else sees it. A second call gives the context that is there. */
  begin(request: IncomingMessage, response: ServerResponse): RequestContext {
    const known = findRequestContext(request);
    if (known) return known;
    const context = openRequestContext(request);
    response.setHeader('X-Request-ID', context.requestId);
    response.setHeader('X-Trace-ID', context.traceId);
    const { socket } = request;
    const writtenBefore = socket.bytesWritten;
    onClose(response, socket, () => {
      const isAnswered = response.writableFinished;
      if (!isAnswered) context.abort();
      const status = isAnswered ? response.statusCode : CLIENT_CLOSED;
      const announced = isAnswered ? response.getHeader('Content-Length') : undefined;
      const bytesOut = announced === undefined ? socket.bytesWritten - writtenBefore : Number(announced);
      this.write({ context, request, socket, status, bytesOut });
    });
    return context;
  }

  /** Writes the line of a request that was answered without a response object. */
  refused(refused: RefusedRequest): void {
    this.write(refused);
  }

  private write({ context, request, socket, status, bytesOut }: RefusedRequest): void {
    const path = request && pathOf(request);
    if (status < 400 && path !== undefined && PROBES.has(path)) return;
    this.logger[levelOf(status)]({
      event: 'request_completed',
      request_id: context.requestId,
      trace_id: context.traceId,
      method: request?.method ?? null,
      path: path ?? null,
      route: context.route ?? (request && routeOf(request)) ?? null,
      status,
      duration_ms: rounded(performance.now() - context.receivedAtMs),
      queue_ms: context.queueMs === undefined ? null : rounded(context.queueMs),
      compute_ms: context.computeMs === undefined ? null : rounded(context.computeMs),
      bytes_in: context.bytesIn ?? announcedBytes(request),
      bytes_out: bytesOut,
      model: context.model ?? null,
      model_version: context.modelVersion ?? null,
      ...(context.jobId !== undefined && { job_id: context.jobId }),
      cache: context.cache ?? null,
      batch_size: context.batchSize ?? null,
      client_ip: clientNetwork((request && expressAddress(request)) ?? socket.remoteAddress),
      user_agent: request?.headers['user-agent']?.slice(0, MAX_LOGGED_CHARACTERS) ?? null,
      error_code: context.errorCode ?? (status === CLIENT_CLOSED ? 'client_closed' : null),
    });
  }
}

function levelOf(status: number): 'info' | 'warn' | 'error' {
  if (status === 500) return 'error';
  return status > 500 ? 'warn' : 'info';
}

/**
 * `close` comes after `finish`, and alone when the connection broke; but a response that waits behind others on a
 * pipelined connection has no socket yet and never hears of its end.
 */
function onClose(response: ServerResponse, socket: Socket, callback: () => void): void {
  if (response.socket !== null) {
    // It comes once anyway, and `once` costs more than `on`.
    response.on('close', callback);
    return;
  }
  const settle = (): void => {
    response.off('close', settle);
    socket.off('close', settle);
    callback();
  };
  response.once('close', settle);
  // Every request that waits listens, and a client may send many at once: that is no leak to warn of.
  socket.setMaxListeners(0);
  socket.once('close', settle);
}

/** Without the query, which may hold what nobody should log; and never longer than a line should be. */
function pathOf(request: IncomingMessage): string {
  const url = 'originalUrl' in request ? String(request.originalUrl) : (request.url ?? '');
  const end = url.indexOf('?');
  return (end < 0 ? url : url.slice(0, end)).slice(0, MAX_LOGGED_CHARACTERS);
}

/** Express leaves the route that took the request on it. */
function routeOf(request: IncomingMessage): string | undefined {
  const { route } = request as { readonly route?: { readonly path?: unknown } };
  return typeof route?.path === 'string' ? route.path : undefined;
}

/** Express knows the client behind trusted proxies. */
function expressAddress(request: IncomingMessage): string | undefined {
  const { ip } = request as { readonly ip?: unknown };
  return typeof ip === 'string' ? ip : undefined;
}

function announcedBytes(request: IncomingMessage | undefined): number {
  const announced = Number(request?.headers['content-length'] ?? 0);
  return Number.isSafeInteger(announced) ? announced : 0;
}

function rounded(durationMs: number): number {
  return Math.round(durationMs * 1000) / 1000;
}
