import { type Config, parseConfig } from '@app/config';
import type { INestApplicationContext } from '@nestjs/common';
import { SupervisorLink } from '../../common/src/supervisor-link';
import { WorkerProcess, type WorkerSurroundings } from './worker-process';

/** Runs jobs beside the HTTP processes of a server, on the orders of its supervisor. It ends with that. `proc` is its number. */
export async function workSupervised(proc: number): Promise<void> {
  const link = new SupervisorLink((order) => {
    if (order.type !== 'listen') void worker.stop(order.cause);
  });
  const worker = new WorkerProcess(new UnderSupervisor(proc, link));
  // Read anew: a process that replaces another one on SIGHUP takes what is true then.
  await worker.run(parseConfig);
}

class UnderSupervisor implements WorkerSurroundings {
  constructor(
    readonly proc: number,
    private readonly supervisor: SupervisorLink,
  ) {}

  started(_app: INestApplicationContext, { http }: Config): void {
    this.supervisor.beat(http.heartbeatTimeoutMs);
    void this.supervisor.tell({ type: 'heartbeat' });
  }

  ready(): void {
    void this.supervisor.tell({ type: 'ready', models: [] });
  }

  async cannotStart(reason: string): Promise<void> {
    await this.supervisor.tell({ type: 'fault', reason });
  }

  /** The supervisor stops PostgreSQL, last. */
  async stopped(): Promise<void> {}
}
