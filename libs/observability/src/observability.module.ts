import { type DynamicModule, Global, Module, type NestModule } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { NextFunction, Request, Response } from 'express';
import { LoggerModule } from 'nestjs-pino';
import { type LogOptions, createLog } from './logger';
import { LogStream } from './log-stream';
import { NestLogger } from './nest-logger';
import { RequestLog } from './request-log';

/** The logger and the request log, for every module. */
@Global()
@Module({})
export class ObservabilityModule implements NestModule {
  static forRoot(options: LogOptions): DynamicModule {
    const { logger, stream } = createLog(options);
    return {
      module: ObservabilityModule,
      // pino-http's own lines and the child logger that it makes of each request are left out: RequestLog does that.
      imports: [LoggerModule.forRoot({ pinoHttp: { logger, autoLogging: false }, forRoutes: [] })],
      providers: [
        NestLogger,
        { provide: LogStream, useValue: stream },
        { provide: RequestLog, useValue: new RequestLog(logger) },
      ],
      exports: [NestLogger, LogStream, RequestLog],
    };
  }

  constructor(
    private readonly requestLog: RequestLog,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  /** Where our own adapter serves it has begun the request long before; under another one this is the first to see it. */
  configure(): void {
    this.adapterHost.httpAdapter.use((request: Request, response: Response, next: NextFunction) => {
      this.requestLog.begin(request, response);
      next();
    });
  }
}
