import { type DatabaseServer, plainConnectionTo } from '@app/database';
import {
  type BackendFactory,
  type IQueueBackend,
  type QueueBaseOptions,
  createPostgresBackend,
  createRedisBackend,
} from 'bullmq';

/** Where the queue is. */
export interface QueueAddress {
  /** A Redis. Undefined: the queue is in PostgreSQL. */
  readonly redisUrl: string | undefined;
  readonly server: DatabaseServer;
  /**
   * Keeps deployments on one server apart: the schema in PostgreSQL, the prefix in Redis. Lower case letters, digits and `_`.
   */
  readonly namespace: string;
}

/** What BullMQ's Queue and Worker are built with. */
export interface QueueConnection {
  readonly options: QueueBaseOptions<unknown> & { readonly prefix?: string };
  readonly factory: BackendFactory<IQueueBackend, unknown>;
}

/** A Queue or Worker has a pool of its own; a Worker one connection more, to listen. */
const POSTGRES_CONNECTIONS = 3;

/**
 * How a Queue or Worker of this process reaches the queue. Nothing is opened. On PostgreSQL the first one makes the schema, or
 * brings it up to date; not a `pg.Pool`, with which BullMQ would use its default schema whatever we say.
 */
export function queueConnection({ redisUrl, server, namespace }: QueueAddress, name: string): QueueConnection {
  if (redisUrl !== undefined) {
    const connection = { url: redisUrl, connectionName: `quayside ${name}`, maxRetriesPerRequest: null };
    return { options: { connection, prefix: namespace }, factory: createRedisBackend as QueueConnection['factory'] };
  }
  const connection = {
    ...plainConnectionTo(server, name),
    max: POSTGRES_CONNECTIONS,
    schema: namespace,
    migrate: true,
  };
  return { options: { connection }, factory: createPostgresBackend as QueueConnection['factory'] };
}
