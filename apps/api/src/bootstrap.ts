import type { Config } from '@app/config';
import { HttpConnections } from '@app/health';
import { NestLogger, RequestLog } from '@app/observability';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module';
import { QuaysideExpressAdapter } from './http/quayside-express-adapter';
import { ApiDocument } from './openapi/api-document';

/** What the application stands on beside its module. A test that builds it with providers swapped takes the same. */
export function appParts(config: Config) {
  const adapter = new QuaysideExpressAdapter(config.http);
  return {
    adapter,
    // Bodies are read by a guard, once it is known who asks and how much a route takes.
    nest: { bodyParser: false, abortOnError: false },
    configure(app: INestApplication): void {
      app.useLogger(app.get(NestLogger));
      app.get(ApiDocument).describe(app);
      adapter.attach({ requestLog: app.get(RequestLog), connections: app.get(HttpConnections) });
    },
  };
}

/** Builds the application, ready to listen; `proc` is its number in the log. Nothing is opened yet. */
export async function createApp(config: Config, proc?: number): Promise<NestExpressApplication> {
  const { adapter, nest, configure } = appParts(config);
  const options = { ...nest, bufferLogs: true };
  const app = await NestFactory.create<NestExpressApplication>(AppModule.forRoot(config, proc), adapter, options);
  configure(app);
  return app;
}
