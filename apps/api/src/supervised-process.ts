import { type Config, parseConfig } from '@app/config';
import { HttpConnections } from '@app/health';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { SupervisorLink } from '../../common/src/supervisor-link';
import { ApiProcess, type Surroundings } from './api-process';
import type { QuaysideExpressAdapter } from './http/quayside-express-adapter';
import { asStartFault } from './port-fault';

/**
 * Serves HTTP as one of several processes: on a socket that the supervisor sends, and on its orders. It ends with the
 * supervisor. `proc` is its number.
 */
export async function serveSupervised(proc: number): Promise<void> {
  const link = new SupervisorLink((order, handle) => {
    if (order.type === 'listen') return surroundings.take(handle as object);
    const options = order.type === 'retire' ? { replacedAfterMs: surroundings.graceMs } : {};
    void api.stop(order.cause, options);
  });
  const surroundings = new UnderSupervisor(proc, link);
  const api = new ApiProcess(surroundings);
  // Read anew: a process that replaces another one on SIGHUP takes what is true then.
  await api.run(parseConfig);
}

class UnderSupervisor implements Surroundings {
  private readonly adapter = Promise.withResolvers<QuaysideExpressAdapter>();
  private config: Config['http'] | undefined;
  private isTold = false;

  constructor(
    readonly proc: number,
    private readonly supervisor: SupervisorLink,
  ) {}

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
    this.supervisor.beat(http.heartbeatTimeoutMs);
    await app.init();
    this.adapter.resolve(app.getHttpAdapter() as unknown as QuaysideExpressAdapter);
  }

  ready(_app: NestExpressApplication, models: readonly string[]): void {
    void this.supervisor.tell({ type: 'ready', models });
  }

  async cannotStart(reason: string): Promise<void> {
    await this.supervisor.tell({ type: 'fault', reason });
  }

  async stopped(app: NestExpressApplication): Promise<void> {
    const { completed, aborted } = app.get(HttpConnections);
    await this.supervisor.tell({ type: 'stopped', completed, aborted });
  }

  private async open(handle: object): Promise<void> {
    const adapter = await this.adapter.promise;
    await adapter.listenOn(handle).catch((fault: unknown) => {
      throw this.config ? asStartFault(fault, this.config) : fault;
    });
    if (!this.isTold) void this.supervisor.tell({ type: 'listening' });
    this.isTold = true;
  }
}
