import { once } from 'node:events';
import { connect } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');

/** One keep-alive connection, written by hand: a client must cost little, since it shares the cores with the server. */
export class Connection {
  #socket;
  #pending;
  #received = Buffer.alloc(0);

  constructor(url) {
    const { hostname, port } = new URL(url);
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on('data', (chunk) => this.#take(chunk));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('The server closed the connection.')));
  }

  /** Resolves when the server has taken the connection. */
  async opened() {
    if (this.#socket.connecting) await once(this.#socket, 'connect');
  }

  /** False once either side has closed it. */
  get isOpen() {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  /** Sends one request and waits for its answer: `{ status, head, body }`. One at a time. */
  send(request) {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#socket.write(request);
    });
  }

  /** What was not answered yet fails. */
  close() {
    this.#socket.destroy();
  }

  #take(chunk) {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#received.toString('latin1', 0, headEnd);
    const [, length] = /^content-length: *(\d+)/im.exec(head) ?? [];
    if (length === undefined) return this.#fail(new Error('An answer without Content-Length.'));
    const end = headEnd + HEAD_END.length + Number(length);
    if (this.#received.length < end) return;
    const body = this.#received.subarray(headEnd + HEAD_END.length, end);
    this.#received = Buffer.alloc(0);
    this.#settle().resolve({ status: Number(head.slice(9, 12)), head, body });
  }

  #fail(error) {
    this.#settle()?.reject(error);
  }

  #settle() {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }
}
