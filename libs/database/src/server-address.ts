import { readFile } from 'node:fs/promises';
import { Client, type ClientConfig, type PoolConfig } from 'pg';
import { parseIntoClientConfig } from 'pg-connection-string';
import { CLUSTER_LOGIN, clusterPaths } from './embedded/cluster-paths';
import { parserOf } from './value-parsers';

/** Which PostgreSQL: our own in a data folder, yours at a URL, or none, where all that needs one is unavailable. */
export type DatabaseServer =
  | { readonly kind: 'embedded'; readonly directory: string }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'none' };

/** Where our tables are. */
export const SCHEMA = 'quayside';

/**
 * What a session must not take from its role or database: values come as text in these forms. A session in another zone
 * would store a naive 02:30 as another moment.
 */
const SESSION = [
  ['TimeZone', 'UTC'],
  ['DateStyle', 'ISO'],
  ['extra_float_digits', '1'],
  ['search_path', SCHEMA],
] as const;

/** How a connection to the server is made. Nothing is opened. `name` is the connection's name in PostgreSQL's own views. */
export function connectionTo(server: DatabaseServer, name: string): ClientConfig {
  return {
    ...addressOf(server),
    application_name: `quayside ${name}`,
    options: SESSION.map(([setting, value]) => `-c ${setting}=${value}`).join(' '),
    keepAlive: true,
    types: { getTypeParser: parserOf },
  };
}

/**
 * How a library with tables and parsers of its own connects to the same server: address and name, and nothing of ours.
 * Throws nothing; with no server it is the default one of `pg`.
 */
export function plainConnectionTo(server: DatabaseServer, name: string): PoolConfig {
  return { ...addressOf(server), application_name: `quayside ${name}`, keepAlive: true, Client: HeardClient };
}

/**
 * A pool listens to its connections only while they are idle. One that breaks within a transaction tells those who wait for its
 * answers; without a listener of its own it would end the process beside.
 */
class HeardClient extends Client {
  constructor(config?: ClientConfig) {
    super(config);
    this.on('error', () => {});
  }
}

function addressOf(server: DatabaseServer): ClientConfig {
  if (server.kind === 'none') return {};
  if (server.kind === 'url') return parseIntoClientConfig(server.url);
  const { socketDirectory, passwordFile } = clusterPaths(server.directory);
  // Read at each connection: the cluster may be made while this process runs.
  const password = async (): Promise<string> => (await readFile(passwordFile, 'utf8')).trim();
  return { ...CLUSTER_LOGIN, host: socketDirectory, password, ssl: false };
}
