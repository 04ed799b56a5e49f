import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** Where clients ask, what, and how many of them. */
export interface BlindLoad {
  readonly url: string;
  readonly path: string;
  /** JSON; absent: GET. */
  readonly body?: string;
  readonly clients: number;
  /** Takes a new connection for each request, so that every process gets some. Default: it keeps the one it has. */
  readonly reconnects?: boolean;
}

/**
 * Clients that ask again and again, each on one connection that it keeps. They look at no probe: only `Connection: close`
 * or an error makes them take another one. Every answer but 200 and every error is a failure, and nothing is tried again.
 */
export class BlindClients implements AsyncDisposable {
  /** Answers with 200. */
  answered = 0;
  /** One entry for each failure: what went wrong. */
  readonly failures: string[] = [];
  private stopped = false;
  private readonly running: Promise<unknown>;

  constructor(private readonly load: BlindLoad) {
    this.running = Promise.all(Array.from({ length: load.clients }, () => this.ask()));
  }

  /** Resolves when every client has had its last answer. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  /** A test that fails must not leave clients that try for ever. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async ask(): Promise<void> {
    const agent = new Agent({ keepAlive: !this.load.reconnects, maxSockets: 1 });
    while (!this.stopped) await this.askOnce(agent);
    agent.destroy();
  }

  private async askOnce(agent: Agent): Promise<void> {
    try {
      const response = await this.send(agent);
      const answer = await text(response);
      if (response.statusCode === 200) this.answered += 1;
      else this.failures.push(`${response.statusCode} ${answer}`);
    } catch (error) {
      this.failures.push(String(error));
    }
  }

  private async send(agent: Agent): Promise<IncomingMessage> {
    const { url, path, body } = this.load;
    const headers = body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': body.length };
    const sent = request(`${url}${path}`, { method: body === undefined ? 'GET' : 'POST', agent, headers }).end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response;
  }
}
