import { Injectable } from '@nestjs/common';
import { Logger } from 'nestjs-pino';

/** Who tells, at every start, what is of interest to people who work on Quayside only. */
const CHATTERERS: ReadonlySet<unknown> = new Set([
  'InstanceLoader',
  'NestApplication',
  'NestFactory',
  'RouterExplorer',
  'RoutesResolver',
]);

/** Nest's logger: everything that is logged through Nest comes out of pino, and Nest's own start-up talk at debug. */
@Injectable()
export class NestLogger extends Logger {
  override log(message: unknown, ...optionalParams: unknown[]): void {
    if (CHATTERERS.has(optionalParams.at(-1))) this.debug(message, ...optionalParams);
    else super.log(message, ...optionalParams);
  }
}
