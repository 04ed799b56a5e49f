import type { QueueAddress } from '@app/batch-jobs';
import { testDatabase } from '@app/testing';
import type { NetConnectOpts } from 'node:net';
import { parseIntoClientConfig } from 'pg-connection-string';
import { RedisServer, hasRedisServer } from './redis-server';

/** One of the two places where the queue can be. */
export interface QueueBackend extends AsyncDisposable {
  readonly address: QueueAddress;
  /** Where its server listens, and how it is addressed through a port of the loopback. */
  readonly target: NetConnectOpts;
  through(port: number): QueueAddress;
  /** Loses all that is queued. */
  wipe(): Promise<void>;
}

/** What is tested on each of them: a name, and how it is opened. Redis only where there is one. */
export const QUEUE_BACKENDS = [
  ['PostgreSQL', onPostgres],
  ...(hasRedisServer() ? ([['Redis', onRedis]] as const) : []),
] as const;

async function onPostgres(): Promise<QueueBackend> {
  const here = await testDatabase();
  const { host, port, user, password, database } = parseIntoClientConfig(here.url);
  const address = (url: string): QueueAddress => ({
    ...{ redisUrl: undefined, server: { kind: 'url', url }, namespace: 'quayside_queue' },
  });
  return {
    address: address(here.url),
    target: { path: `${host ?? ''}/.s.PGSQL.${port ?? 5432}` },
    through: (at) => address(`postgres://${user ?? ''}:${String(password)}@127.0.0.1:${at}/${database ?? ''}`),
    wipe: async () => void (await here.database.main.query('drop schema quayside_queue cascade')),
    [Symbol.asyncDispose]: () => here.close(),
  };
}

async function onRedis(): Promise<QueueBackend> {
  const server = await RedisServer.start();
  const address = (port: number): QueueAddress => ({
    ...{ redisUrl: `redis://127.0.0.1:${port}`, server: { kind: 'none' }, namespace: 'quayside_queue' },
  });
  return {
    address: address(server.port),
    target: { port: server.port, host: '127.0.0.1' },
    through: address,
    wipe: async () => void (await server.ask('FLUSHALL')),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
