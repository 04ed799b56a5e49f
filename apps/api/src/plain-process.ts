import type { AddressInfo } from 'node:net';
import type { Config } from '@app/config';
import type { EmbeddedPostgres } from '@app/database';
import { LogStream, NestLogger } from '@app/observability';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { ApiProcess, type Surroundings } from './api-process';
import { startEmbeddedDatabase } from '../../common/src/embedded-database';
import { StartFault } from '../../common/src/start-fault';
import { asStartFault } from './port-fault';
import { listeningLine, openToNetworkLine, readyLine, urlOf } from './start-lines';

const LAST_LINES_MS = 1000;

/** Serves from this process alone, which obeys signals itself: `HTTP_PROCESSES=0`. */
export async function servePlainly(config: Config): Promise<void> {
  const api = new ApiProcess(new OnItsOwn());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void api.stop(signal));
  await api.run(() => config);
}

class OnItsOwn implements Surroundings {
  readonly proc = 1;
  private database: EmbeddedPostgres | undefined;

  async listen(app: NestExpressApplication, config: Config): Promise<void> {
    const { http } = config;
    try {
      await app.listen(http.port, http.host);
    } catch (fault) {
      throw asStartFault(fault, http);
    }
    const logger = app.get(NestLogger);
    logger.log(listeningLine(addressOf(app)));
    const warning = openToNetworkLine(http.host);
    if (warning) logger.warn(warning);
    this.keepDatabase(config, logger);
    void app.get(LogStream).flush(LAST_LINES_MS);
  }

  private keepDatabase(config: Config, logger: NestLogger): void {
    this.database = startEmbeddedDatabase(config, {
      log: (level, line) => (level === 'info' ? logger.log(line) : logger[level](line)),
      failed: (fault) => {
        if (!(fault instanceof StartFault)) throw fault;
        void this.cannotStart(fault.message).then(() => process.exit(1));
      },
    });
  }

  ready(app: NestExpressApplication, models: readonly string[]): void {
    app.get(NestLogger).log(readyLine(addressOf(app), models));
  }

  async cannotStart(reason: string): Promise<void> {
    process.stderr.write(`Quayside cannot start. ${reason}\n`);
  }

  /** PostgreSQL is the last to go. */
  async stopped(app: NestExpressApplication): Promise<void> {
    await this.database?.stop();
    await app.get(LogStream).flush(LAST_LINES_MS);
  }
}

function addressOf(app: NestExpressApplication): string {
  return urlOf(app.getHttpServer().address() as AddressInfo);
}
