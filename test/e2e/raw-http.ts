import { type Socket, connect } from 'node:net';
import { opened } from '@app/testing';
import type { Answer } from './door';

/** A connection on which a test writes what no HTTP client would. It reads answers that have a Content-Length. */
export class RawConnection implements AsyncDisposable {
  private received = Buffer.alloc(0);
  private readonly waiters: (() => void)[] = [];
  private readonly closed: () => void;
  private ended = false;

  private constructor(private readonly socket: Socket) {
    this.closed = opened('raw connection');
    socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.tell();
    });
    socket.on('error', () => this.end());
    socket.on('close', () => this.end());
  }

  /** Connects to where a door listens. */
  static async to(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawConnection(socket);
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Closes at once, with a reset, as a client does that is killed. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** The next answer. Rejects when the connection ends before it is complete. */
  async answer(): Promise<Answer> {
    for (;;) {
      const answer = this.take();
      if (answer) return answer;
      if (this.ended) throw new Error(`The connection ended after ${JSON.stringify(this.received.toString())}`);
      await new Promise<void>((resolve) => this.waiters.push(resolve));
    }
  }

  /** Resolves when the server has closed the connection. */
  async whenClosed(): Promise<void> {
    while (!this.ended) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    return this.whenClosed();
  }

  private take(): Answer | undefined {
    const headEnd = this.received.indexOf('\r\n\r\n');
    if (headEnd < 0) return undefined;
    const [statusLine = '', ...lines] = this.received.subarray(0, headEnd).toString().split('\r\n');
    const headers = new Headers(lines.map((line) => line.split(/:\s*/, 2) as [string, string]));
    const end = headEnd + 4 + Number(headers.get('content-length') ?? 0);
    if (this.received.length < end) return undefined;
    const text = this.received.subarray(headEnd + 4, end).toString();
    this.received = this.received.subarray(end);
    const isJson = text !== '' && headers.get('content-type')?.startsWith('application/json');
    return { status: Number(statusLine.split(' ')[1]), headers, text, body: isJson ? JSON.parse(text) : undefined };
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.closed();
    this.tell();
  }

  private tell(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}
