import { type Config, parseConfig } from '@app/config';
import { HttpConnections } from '@app/health';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { ApiProcess, type Surroundings } from './api-process';
import type { QuaysideExpressAdapter } from './http/quayside-express-adapter';
import { asStartFault } from './port-fault';
import type { Order, Report } from '../../common/src/supervisor-messages';

const BEATS_PER_TIMEOUT = 10;

/**
 * Serves HTTP as one of several processes: on a socket that the supervisor sends, and on its orders. It ends with the
 * supervisor. `proc` is its number.
 */
export async function serveSupervised(proc: number): Promise<void> {
  const surroundings = new UnderSupervisor(proc);
  const api = new ApiProcess(surroundings);
  // Signals reach the whole group: only the supervisor acts on them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  process.on('disconnect', () => process.exit(1));
  if (!process.connected) process.exit(1);
  process.on('message', (order: Order, handle: unknown) => {
    if (order.type === 'listen') return surroundings.take(handle as object);
    const options = order.type === 'retire' ? { replacedAfterMs: surroundings.graceMs } : {};
    void api.stop(order.cause, options);
  });
  // Read anew: a process that replaces another one on SIGHUP takes what is true then.
  await api.run(parseConfig);
}

class UnderSupervisor implements Surroundings {
  private readonly adapter = Promise.withResolvers<QuaysideExpressAdapter>();
  private config: Config['http'] | undefined;
  private isTold = false;

  constructor(readonly proc: number) {}

  /** How long requests are still taken here once another process serves, in milliseconds. */
  get graceMs(): number {
    return this.config?.replaceGraceMs ?? 0;
  }

  /** Takes connections from a copy of the socket as soon as the application can answer them. */
  take(handle: object): void {
    // Awaited by nobody: a fault is one of the start.
    void this.open(handle).catch((fault) => this.cannotStart(String(fault)).finally(() => process.exit(1)));
  }

  async listen(app: NestExpressApplication, { http }: Config): Promise<void> {
    this.config = http;
    setInterval(() => void tell({ type: 'heartbeat' }), http.heartbeatTimeoutMs / BEATS_PER_TIMEOUT);
    await app.init();
    this.adapter.resolve(app.getHttpAdapter() as unknown as QuaysideExpressAdapter);
  }

  ready(_app: NestExpressApplication, models: readonly string[]): void {
    void tell({ type: 'ready', models });
  }

  async cannotStart(reason: string): Promise<void> {
    await tell({ type: 'fault', reason });
  }

  async stopped(app: NestExpressApplication): Promise<void> {
    const { completed, aborted } = app.get(HttpConnections);
    await tell({ type: 'stopped', completed, aborted });
  }

  private async open(handle: object): Promise<void> {
    const adapter = await this.adapter.promise;
    await adapter.listenOn(handle).catch((fault: unknown) => {
      throw this.config ? asStartFault(fault, this.config) : fault;
    });
    if (!this.isTold) void tell({ type: 'listening' });
    this.isTold = true;
  }
}

/** Resolves when the report is out, or cannot be sent because the supervisor is gone. */
function tell(report: Report): Promise<void> {
  return new Promise((resolve) => {
    if (!process.send) return resolve();
    process.send(report, undefined, undefined, () => resolve());
  });
}
