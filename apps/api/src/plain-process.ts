import type { AddressInfo } from 'node:net';
import type { Config } from '@app/config';
import { LogStream, NestLogger } from '@app/observability';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { ApiProcess, type Surroundings } from './api-process';
import { asStartFault } from './start-fault';
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

  async listen(app: NestExpressApplication, { http }: Config): Promise<void> {
    try {
      await app.listen(http.port, http.host);
    } catch (fault) {
      throw asStartFault(fault, http);
    }
    const logger = app.get(NestLogger);
    logger.log(listeningLine(addressOf(app)));
    const warning = openToNetworkLine(http.host);
    if (warning) logger.warn(warning);
    void app.get(LogStream).flush(LAST_LINES_MS);
  }

  ready(app: NestExpressApplication, models: readonly string[]): void {
    app.get(NestLogger).log(readyLine(addressOf(app), models));
  }

  async cannotStart(reason: string): Promise<void> {
    process.stderr.write(`Quayside cannot start. ${reason}\n`);
  }

  async stopped(): Promise<void> {}
}

function addressOf(app: NestExpressApplication): string {
  return urlOf(app.getHttpServer().address() as AddressInfo);
}
