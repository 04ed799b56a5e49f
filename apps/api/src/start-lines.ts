import type { AddressInfo } from 'node:net';
import { isLoopback } from './http/http-policy';

/** A line of the log, as both pino and Nest's logger take it. */
export interface LogLine {
  readonly event: string;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

/** Where a server listens, as clients write it. */
export function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/** The port is open: probes answer from here on. */
export function listeningLine(url: string): LogLine {
  return { event: 'listening', address: url, msg: `Listening on ${url}, loading models` };
}

/** The one line that says where everything is. */
export function readyLine(url: string, models: readonly string[]): LogLine {
  const msg = `Quayside is ready at ${url} · docs ${url}/docs · models: ${models.join(', ') || 'none'}`;
  return { event: 'ready', address: url, docs: `${url}/docs`, models, msg };
}

/** A warning, unless only this machine can reach the port. */
export function openToNetworkLine(host: string): LogLine | undefined {
  if (isLoopback(host)) return undefined;
  const msg = `Listening on ${host}: every route is open to whoever reaches the port, as there are no keys.`;
  return { event: 'open_to_network', host, msg };
}
