import type { IncomingMessage } from 'node:http';
import { newId } from '@app/core';
import { continueTrace } from './trace-context';

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * What is known of one request while it runs. Whoever learns something that belongs into the request's log line writes
 * it here; ids and times never change.
 */
export class RequestContext {
  /** The caller's `X-Request-ID` if it fits the pattern, else a UUIDv7. */
  readonly requestId: string;
  /** W3C trace id, 32 hex digits. */
  readonly traceId: string;
  /** The trace context to pass on. */
  readonly traceparent: string;
  /** When the headers had arrived, in milliseconds on the monotonic clock. */
  readonly receivedAtMs = performance.now();

  /** The route's template, such as `/v1/models/:model/predict`; absent until a route has taken the request. */
  route: string | undefined;
  model: string | undefined;
  modelVersion: string | undefined;
  /** The job that the request made. */
  jobId: string | undefined;
  cache: string | undefined;
  /** Time spent waiting for an executor, in milliseconds. */
  queueMs: number | undefined;
  /** Time inside the executor, in milliseconds. */
  computeMs: number | undefined;
  /** Rows of the batch in which the request ran. */
  batchSize: number | undefined;
  /** Code of the error that was answered. */
  errorCode: string | undefined;
  /** Bytes of the body, counted after inflating; of one that is streamed, as sent. */
  bytesIn: number | undefined;

  private controller: AbortController | undefined;
  private left = false;

  /** Headers that cannot be read (a request that is not HTTP) give new ids. */
  constructor(headers: IncomingMessage['headers'] = {}) {
    // A header that was sent twice arrives joined by a comma, which the pattern does not take.
    const asked = headers['x-request-id'];
    this.requestId = typeof asked === 'string' && REQUEST_ID.test(asked) ? asked : newId();
    const parent = headers['traceparent'];
    const { traceId, traceparent } = continueTrace(typeof parent === 'string' ? parent : undefined);
    this.traceId = traceId;
    this.traceparent = traceparent;
  }

  /** Aborted when the client leaves before its answer is out. Made when first asked for: most requests never ask. */
  get signal(): AbortSignal {
    this.controller ??= new AbortController();
    if (this.left) this.controller.abort();
    return this.controller.signal;
  }

  /** The client has left. */
  abort(): void {
    this.left = true;
    this.controller?.abort();
  }
}

/** A property and no WeakMap, which costs every request a microsecond and the garbage collector more. */
const CONTEXT = Symbol('request context');

type KnownRequest = IncomingMessage & { [CONTEXT]?: RequestContext };

/** The context of a request, which the first thing that saw the request has made. */
export function requestContext(request: KnownRequest): RequestContext {
  const context = request[CONTEXT];
  if (!context) throw new Error('This request has no context: RequestLog.begin() has not seen it.');
  return context;
}

/** The context of a request, or undefined when nothing has made it yet. */
export function findRequestContext(request: KnownRequest): RequestContext | undefined {
  return request[CONTEXT];
}

/** Makes the context of a request. */
export function openRequestContext(request: KnownRequest): RequestContext {
  const context = new RequestContext(request.headers);
  request[CONTEXT] = context;
  return context;
}
