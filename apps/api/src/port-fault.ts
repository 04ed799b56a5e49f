import type { Config } from '@app/config';
import { StartFault } from '../../common/src/start-fault';

/** What keeps a server from its port, as a sentence; a fault that is no matter of the port stays what it is. */
export function asStartFault(fault: unknown, { host, port }: Pick<Config['http'], 'host' | 'port'>): unknown {
  switch ((fault as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new StartFault(
        `Port ${port} of ${host} is taken: stop what listens there, or set HTTP_PORT (0 takes a free one).`,
      );
    case 'EACCES':
      return new StartFault(`Port ${port} needs rights that this user lacks: set HTTP_PORT to 1024 or more.`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new StartFault(
        `HTTP_HOST ${host} is no address of this machine: use 127.0.0.1, or 0.0.0.0 for all of its addresses.`,
      );
    default:
      return fault;
  }
}
