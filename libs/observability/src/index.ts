export { RequestContext, requestContext } from './request-context';
export { RequestLog } from './request-log';
export type { RefusedRequest } from './request-log';
export { productVersion } from './logger';
export type { LogOptions } from './logger';
export { LogStream } from './log-stream';
export type { LogStreamOptions } from './log-stream';
export { NestLogger } from './nest-logger';
export { ObservabilityModule } from './observability.module';
