import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

/** Answers a request that the server can no longer serve, unless its answer has begun. */
export type Refuse = (request: IncomingMessage, response: ServerResponse) => void;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * The open connections of an HTTP server, and what is under way on each. It can end them one kind after the other, so
 * that no request that was taken is lost: `server.close()` alone cuts connections whose next request is on its way
 * (nodejs/node#60617), and waits for ever for those that never finish one.
 */
export class HttpConnections {
  private readonly exchanges = new Map<Socket, Set<Exchange>>();
  private readonly listeners: NetServer[] = [];
  private refuse: Refuse = (_request, response) => response.destroy();
  private closing = false;
  private open = 0;
  private refusedCount = 0;
  private finishedCount = 0;
  private keepsIdle = true;
  private waiters: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  /** Follows a server from before its first connection. `refuse` answers what `refuseUnfinished` and the like cut. */
  watch(server: Server, refuse: Refuse): void {
    this.listeners.push(server);
    this.refuse = refuse;
    server.on('connection', (socket: Socket) => this.connected(socket));
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      this.begun({ request, response }),
    );
  }

  /** Takes note of a listener that hands its connections to the server, so that `stopListening` closes it too. */
  addListener(listener: NetServer): void {
    this.listeners.push(listener);
  }

  /** Connections that are open. */
  get count(): number {
    return this.exchanges.size;
  }

  /** Requests whose answer is not out. */
  get inFlight(): number {
    return this.open;
  }

  /** Requests answered since `announceClose`. */
  get completed(): number {
    return this.finishedCount;
  }

  /** Requests refused by this class. */
  get aborted(): number {
    return this.refusedCount;
  }

  /** Every answer that has not begun, and every later one, tells its client to use another connection. */
  announceClose(): void {
    this.closing = true;
    this.finishedCount = 0;
    for (const { response } of this.all()) if (!response.headersSent) response.setHeader('Connection', 'close');
  }

  /** Takes no more connections; those that are open go on. */
  stopListening(): void {
    // http.Server's own close() would also cut idle connections at once, and stop the check of slow headers.
    for (const listener of this.listeners) if (listener.listening) NetServer.prototype.close.call(listener);
  }

  /** Ends connections on which nothing is under way, the others as soon as nothing is. */
  closeIdle(): void {
    this.keepsIdle = false;
    for (const [socket, exchanges] of this.exchanges) if (exchanges.size === 0) socket.destroySoon();
  }

  /** Refuses requests whose body has not arrived. */
  refuseUnfinished(): void {
    for (const exchange of this.all()) if (!exchange.request.complete) this.cut(exchange);
  }

  /** Refuses whatever is under way, and ends every connection once its answer is written. */
  refuseAll(): void {
    for (const exchange of this.all()) this.cut(exchange);
    this.closeIdle();
  }

  /** Resolves when nothing is under way. */
  whenIdle(): Promise<void> {
    return this.until(() => this.open === 0);
  }

  /** Resolves when no connection is open. */
  whenGone(): Promise<void> {
    return this.until(() => this.exchanges.size === 0);
  }

  private until(isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve();
    return new Promise((resolve) => void this.waiters.push({ isMet, resolve }));
  }

  private changed(): void {
    const met = this.waiters.filter(({ isMet }) => isMet());
    if (met.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => !met.includes(waiter));
    for (const { resolve } of met) resolve();
  }

  private all(): Exchange[] {
    return [...this.exchanges.values()].flatMap((exchanges) => [...exchanges]);
  }

  private connected(socket: Socket): void {
    this.exchanges.set(socket, new Set());
    socket.once('close', () => {
      // What waits behind others on a pipelined connection has no socket of its own, and does not hear of its end.
      for (const exchange of this.exchanges.get(socket) ?? []) this.ended(socket, exchange);
      this.exchanges.delete(socket);
      this.changed();
    });
  }

  private begun(exchange: Exchange): void {
    const { request, response } = exchange;
    const exchanges = this.exchanges.get(request.socket);
    if (!exchanges) return;
    exchanges.add(exchange);
    this.open += 1;
    if (this.closing) response.setHeader('Connection', 'close');
    response.on('close', () => this.ended(request.socket, exchange));
  }

  private ended(socket: Socket, exchange: Exchange): void {
    const exchanges = this.exchanges.get(socket);
    if (!exchanges?.delete(exchange)) return;
    this.open -= 1;
    if (exchange.response.writableFinished) this.finishedCount += 1;
    if (!this.keepsIdle && exchanges.size === 0) socket.destroySoon();
    this.changed();
  }

  private cut({ request, response }: Exchange): void {
    this.refusedCount += 1;
    if (!response.headersSent) response.setHeader('Connection', 'close');
    this.refuse(request, response);
    request.socket.destroySoon();
  }
}
