import { once } from 'node:events';
import { type AddressInfo, type NetConnectOpts, type Server, type Socket, connect, createServer } from 'node:net';
import { opened } from '@app/testing';

/** A way to a server, on a free port of the loopback, that a test can cut and let hang. */
export class FlakyProxy implements AsyncDisposable {
  /** How many connections were made to it. */
  connections = 0;
  private mode: 'open' | 'cut' | 'frozen' = 'open';
  private readonly sockets = new Set<Socket>();
  private readonly closed = opened('flaky proxy');

  private constructor(
    private readonly server: Server,
    private readonly target: NetConnectOpts,
  ) {
    server.on('connection', (socket) => this.accept(socket));
  }

  static async to(target: NetConnectOpts): Promise<FlakyProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FlakyProxy(server, target);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Breaks every connection, and each new one. */
  cut(): void {
    this.mode = 'cut';
    for (const socket of this.sockets) socket.destroy();
  }

  /** Keeps connections, and takes new ones, but nothing passes any more. */
  freeze(): void {
    this.mode = 'frozen';
    for (const socket of this.sockets) socket.pause();
  }

  /** Lets new connections pass. */
  restore(): void {
    this.mode = 'open';
    for (const socket of this.sockets) socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
    this.closed();
  }

  private accept(client: Socket): void {
    this.connections += 1;
    if (this.mode === 'cut') return void client.destroy();
    const upstream = connect(this.target);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => (this.sockets.delete(from), to.destroy()));
      from.pipe(to);
      if (this.mode === 'frozen') from.pause();
    }
  }
}
