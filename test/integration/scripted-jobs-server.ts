import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** What a client of jobs asked. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What it is answered. `cutAt`: the connection breaks behind so many bytes of the body. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly cutAt?: number;
}

/** A server whose answers a test scripts, for clients of `/v1/jobs`. It notes what it was asked. */
export class ScriptedJobsServer implements AsyncDisposable {
  readonly asked: Asked[] = [];
  private readonly server = createServer((request, response) => void this.serve(request, response));

  private constructor(private readonly answer: (asked: Asked) => Answer) {}

  static async start(answer: (asked: Asked) => Answer): Promise<ScriptedJobsServer> {
    const scripted = new ScriptedJobsServer(answer);
    await once(scripted.server.listen(0, '127.0.0.1'), 'listening');
    return scripted;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', this.url);
    const { method = '', headers } = request;
    const query = Object.fromEntries(searchParams);
    const asked: Asked = { method, path: pathname, query, headers, body: await buffer(request) };
    this.asked.push(asked);
    const { status = 200, headers: sent = {}, body = '', cutAt } = this.answer(asked);
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    response.writeHead(status, { 'content-length': status === 304 ? 0 : bytes.length, ...sent });
    if (cutAt === undefined) response.end(bytes);
    else response.write(bytes.subarray(0, cutAt), () => response.destroy());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** A job as the server shows it, of ten rows. */
export function aJob(changes: object = {}): object {
  return {
    ...{ id: 'job_1', object: 'job', status: 'running', version: 3, attempt: 1, priority: 'normal' },
    model: { name: 'intents', version: '2', digest: 'sha256:00' },
    metadata: {},
    counts: { total: 10, succeeded: 4, failed: 0, remaining: 6 },
    progress: { percent: 40, rows_per_second: 2, eta_seconds: 3 },
    created_at: '2026-01-01T00:00:00Z',
    started_at: '2026-01-01T00:00:01Z',
    ...{ finished_at: null, deadline_at: null, results_expire_at: null, error: null, sample_errors: [] },
    links: { self: '/v1/jobs/job_1', results: '/v1/jobs/job_1/results' },
    ...changes,
  };
}

/** The same when every row was answered, some of them with errors. */
export function anEndedJob(failed = 0): object {
  const error = { code: 'invalid_input', message: 'Field "text" is missing.' };
  return aJob({
    ...{ status: 'succeeded', version: 9, finished_at: '2026-01-01T00:01:13Z' },
    counts: { total: 10, succeeded: 10 - failed, failed, remaining: 0 },
    progress: { percent: 100, rows_per_second: 2, eta_seconds: 0 },
    sample_errors: failed > 0 ? [{ index: 7, id: 'r7', error }] : [],
  });
}
