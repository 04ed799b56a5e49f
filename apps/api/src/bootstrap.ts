import type { Config } from '@app/config';
import { HttpConnections } from '@app/health';
import { NestLogger, RequestLog } from '@app/observability';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module';
import { QuaysideExpressAdapter } from './http/quayside-express-adapter';

/** Builds the application, ready to listen. Nothing is opened yet. */
export async function createApp(config: Config): Promise<NestExpressApplication> {
  const adapter = new QuaysideExpressAdapter(config.http);
  const app = await NestFactory.create<NestExpressApplication>(AppModule.forRoot(config), adapter, {
    // Bodies are read by a guard, once it is known who asks and how much a route takes.
    bodyParser: false,
    bufferLogs: true,
    abortOnError: false,
  });
  app.useLogger(app.get(NestLogger));
  adapter.attach({ requestLog: app.get(RequestLog), connections: app.get(HttpConnections) });
  return app;
}
