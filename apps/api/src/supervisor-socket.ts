import { lookup } from 'node:dns/promises';
import * as net from 'node:net';
import { getSystemErrorName } from 'node:util';
import { asStartFault } from './port-fault';

const NO_DESCRIPTOR = -1;

/** Node's own name for a bound socket, which it gives to processes of a cluster in the same way. */
interface Handle {
  getsockname(into: object): number;
  close(): void;
}

type CreateHandle = (host: string, port: number, family: 4 | 6, descriptor: number) => Handle | number;

/**
 * A socket that is bound here, and listens in other processes. As this process never closes it before the end, no
 * connection in its queue is lost when one of those does.
 */
export class SharedSocket {
  private constructor(
    /** What is sent to other processes. */
    readonly handle: object,
    /** What it is bound to. */
    readonly address: net.AddressInfo,
  ) {}

  /** Binds. Throws `StartFault` when the port or the address cannot be had. */
  static async bind({ host, port }: { host: string; port: number }): Promise<SharedSocket> {
    try {
      const { address, family } = await lookup(host);
      const { _createServerHandle: createHandle } = net as unknown as { _createServerHandle: CreateHandle };
      const handle = createHandle(address, port, family === 6 ? 6 : 4, NO_DESCRIPTOR);
      if (typeof handle === 'number') throw systemError(handle);
      return new SharedSocket(handle, boundAddress(handle, port));
    } catch (fault) {
      throw asStartFault(fault, { host, port });
    }
  }

  /** Closes the copy of this process: the socket is gone when no process holds another. */
  close(): void {
    (this.handle as Handle).close();
  }
}

/** That a port is taken shows only when someone listens, but then the socket is bound to another one, or to none. */
function boundAddress(handle: Handle, port: number): net.AddressInfo {
  const address = {} as net.AddressInfo;
  const failed = handle.getsockname(address);
  if (failed === 0 && (port === 0 || address.port === port)) return address;
  handle.close();
  throw Object.assign(new Error('The socket is not bound.'), { code: 'EADDRINUSE' });
}

function systemError(number: number): Error {
  const code = getSystemErrorName(number);
  return Object.assign(new Error(`The socket cannot be bound: ${code}.`), { code });
}
