export { RequestContext, requestContext } from './request-context';
export { RequestLog } from './request-log';
export type { RefusedRequest } from './request-log';
export { createLog, productVersion } from './logger';
export type { Log, LogOptions } from './logger';
export { LogStream } from './log-stream';
export type { LogStreamOptions } from './log-stream';
export { NestLogger } from './nest-logger';
export { ObservabilityModule } from './observability.module';
