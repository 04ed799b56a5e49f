import type { Config } from '@app/config';
import type { EmbeddedPostgres } from '@app/database';
import { LogStream, NestLogger } from '@app/observability';
import type { INestApplicationContext } from '@nestjs/common';
import { databaseServer } from '../../common/src/database-server';
import { startEmbeddedDatabase } from '../../common/src/embedded-database';
import { StartFault } from '../../common/src/start-fault';
import { WorkerProcess, type WorkerSurroundings } from './worker-process';

const LAST_LINES_MS = 1000;

/** Runs jobs from this process alone, which obeys signals itself: `npm run worker`. Throws `StartFault`. */
export async function workPlainly(config: Config): Promise<void> {
  if (databaseServer(config).kind === 'none')
    throw new StartFault('Jobs need a database: DATABASE_URL is none. Set it to one, or unset it to run our own.');
  const worker = new WorkerProcess(new OnItsOwn());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void worker.stop(signal));
  await worker.run(() => config);
}

class OnItsOwn implements WorkerSurroundings {
  readonly proc = 1;
  private database: EmbeddedPostgres | undefined;

  started(app: INestApplicationContext, config: Config): void {
    const logger = app.get(NestLogger);
    this.database = startEmbeddedDatabase(config, {
      log: (level, line) => (level === 'info' ? logger.log(line) : logger[level](line)),
      failed: (fault) => {
        if (!(fault instanceof StartFault)) throw fault;
        void this.cannotStart(fault.message).then(() => process.exit(1));
      },
    });
    void app.get(LogStream).flush(LAST_LINES_MS);
  }

  ready(app: INestApplicationContext, { job }: Config): void {
    const msg = `The worker takes jobs, ${job.concurrency} chunks at once`;
    app.get(NestLogger).log({ event: 'worker_ready', concurrency: job.concurrency, msg });
  }

  async cannotStart(reason: string): Promise<void> {
    process.stderr.write(`The worker cannot start. ${reason}\n`);
  }

  /** PostgreSQL is the last to go, and stays where others use it. */
  async stopped(): Promise<void> {
    await this.database?.stop();
  }
}
