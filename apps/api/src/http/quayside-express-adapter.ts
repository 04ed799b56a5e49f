import { once } from 'node:events';
import { IncomingMessage, type Server, ServerResponse, createServer } from 'node:http';
import { type Server as NetServer, type Socket, createServer as createNetServer } from 'node:net';
import { QuaysideError } from '@app/core';
import { type RequestLog, requestContext } from '@app/observability';
import { ExpressAdapter } from '@nestjs/platform-express';
import { StreamableFile } from '@nestjs/common';
import type { Response } from 'express';
import { BelowExpress } from './below-express';
import { renderError, sendRendered } from './render-error';
import { SECURITY_HEADERS } from './security-headers';

const CHECK_CONNECTIONS_EVERY_MS = 2000;
const STOPPING = new QuaysideError('shutting_down', 'The server is stopping.');

/** How the server treats connections. */
export interface ServerOptions {
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxConnections: number;
  readonly trustedProxyHops: number;
  /** How often slow headers are looked for. Default 2000. */
  readonly checkConnectionsEveryMs?: number;
}

/** What Express makes the prototypes of requests and responses; its own are `IncomingMessage` and `ServerResponse` extended. */
interface ExpressPrototypes {
  request: object;
  response: object;
}

/** Node's step that puts a head together, which its types leave out. */
interface HeadWriter {
  _storeHeader(statusLine: string, headers: unknown): void;
}

const storeHeader = (ServerResponse.prototype as unknown as HeadWriter)._storeHeader;

/** Follows connections, so that they can be ended; see `HttpConnections`. */
interface ConnectionWatcher {
  watch(server: Server, refuse: (request: IncomingMessage, response: ServerResponse) => void): void;
  addListener(listener: NetServer): void;
  readonly count: number;
}

/**
 * Nest's Express adapter with the HTTP server that Quayside needs: our own answers below Express, limits on slow and idle
 * connections, ids on every request before anything else sees it, security headers on every answer, and no ETags.
 */
export class QuaysideExpressAdapter extends ExpressAdapter {
  private readonly below = new BelowExpress();
  private connections: ConnectionWatcher | undefined;
  private listensOnHandles = false;

  constructor(private readonly serverOptions: ServerOptions) {
    super();
    this.disable('x-powered-by');
    this.set('etag', false);
    this.set('trust proxy', this.serverOptions.trustedProxyHops);
  }

  /** What the container makes: call it once, before listening. */
  attach({ requestLog, connections }: { requestLog: RequestLog; connections: ConnectionWatcher }): void {
    this.below.attach(requestLog);
    this.connections = connections;
    connections.watch(this.getHttpServer(), refuseStopping);
  }

  override initHttpServer(): void {
    const server = createServer(
      {
        ...this.expressClasses(),
        headersTimeout: this.serverOptions.headersTimeoutMs,
        keepAliveTimeout: this.serverOptions.keepAliveTimeoutMs,
        connectionsCheckingInterval: this.serverOptions.checkConnectionsEveryMs ?? CHECK_CONNECTIONS_EVERY_MS,
        // The time for a body is the reader's matter: it differs by route.
        requestTimeout: 0,
        // Node would answer without a body; BelowExpress refuses.
        requireHostHeader: false,
        shouldUpgradeCallback: (request) => !asksForHttp2(request),
      },
      (request, response) => {
        if (!this.below.begin(request, response)) return;
        this.getInstance()(request, response, (fault?: unknown) => this.below.unrouted({ request, response }, fault));
      },
    );
    server.maxConnections = this.serverOptions.maxConnections;
    this.below.watch(server);
    this.setHttpServer(server);
  }

  /**
   * Takes connections from a socket that another process has bound, and resolves once it does. Call it once for each copy
   * of the handle: a copy takes one connection per turn of the event loop, so that with a single one the last of a burst
   * of clients waits for as many turns as there are clients.
   */
  async listenOn(handle: object): Promise<void> {
    const server: Server = this.getHttpServer();
    const listener = createNetServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.take(socket));
    this.connections?.addListener(listener);
    listener.listen(handle);
    await once(listener, 'listening');
    // Node begins its checks of slow connections when it hears this, and the HTTP server itself never listens.
    if (!this.listensOnHandles) server.emit('listening');
    this.listensOnHandles = true;
  }

  /**
   * Classes of requests and responses that have Express' prototypes from the start. Otherwise Express sets the prototype
   * of every request and response, which makes the engine forget what it knew of their shape: all code that sees them
   * runs slower.
   */
  private expressClasses(): { IncomingMessage: typeof IncomingMessage; ServerResponse: typeof ServerResponse } {
    const express = this.getInstance<ExpressPrototypes>();
    class ExpressRequest extends IncomingMessage {}
    class ExpressResponse<R extends IncomingMessage> extends ServerResponse<R> {
      /** Eleven calls of setHeader, and what Node does with each name and value, cost more than the router. */
      _storeHeader(statusLine: string, headers: unknown): void {
        storeHeader.call(this, statusLine + SECURITY_HEADERS, headers);
      }
    }
    Object.setPrototypeOf(ExpressRequest.prototype, express.request);
    Object.setPrototypeOf(ExpressResponse.prototype, express.response);
    express.request = ExpressRequest.prototype;
    express.response = ExpressResponse.prototype;
    return { IncomingMessage: ExpressRequest, ServerResponse: ExpressResponse };
  }

  /** The limit is on all copies together, which no single listener can count. */
  private take(socket: Socket): void {
    const { maxConnections } = this.serverOptions;
    if ((this.connections?.count ?? 0) >= maxConnections) socket.destroy();
    else this.getHttpServer().emit('connection', socket);
  }

  /** Plain values become JSON in one go, with their exact length; everything else is Express's. */
  override reply(response: Response, body: unknown, statusCode?: number): unknown {
    if (typeof body !== 'object' || body === null || body instanceof StreamableFile || body instanceof Error) {
      return super.reply(response, body, statusCode);
    }
    if (statusCode !== undefined) response.statusCode = statusCode;
    const json = JSON.stringify(body);
    if (!response.hasHeader('Content-Type')) response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Content-Length', Buffer.byteLength(json));
    return response.end(json);
  }
}

/** Clients that offer HTTP/2 on a plain connection (Java's by default) are content with an answer in HTTP/1.1. */
function asksForHttp2({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.trim().toLowerCase() === 'h2c';
}

function refuseStopping(request: IncomingMessage, response: ServerResponse): void {
  const context = requestContext(request);
  if (sendRendered(response, renderError(STOPPING, context))) context.errorCode = STOPPING.code;
}
