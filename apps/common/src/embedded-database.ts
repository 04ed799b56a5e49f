import type { Config } from '@app/config';
import { EmbeddedPostgres, EmbeddedPostgresFault, type EmbeddedPostgresOptions } from '@app/database';
import { databaseServer } from './database-server';
import { StartFault } from './start-fault';

/**
 * The PostgreSQL that comes with Quayside, starting; none where the settings point to another one. A file of its own, as the
 * library behind it takes long to load. `failed` gets what keeps it from running, a `StartFault` when the operator can put it right.
 */
export function startEmbeddedDatabase(
  config: Pick<Config, 'data' | 'database'>,
  { log, failed }: Pick<EmbeddedPostgresOptions, 'log'> & { failed(fault: unknown): void },
): EmbeddedPostgres | undefined {
  const server = databaseServer(config);
  if (server.kind !== 'embedded') return undefined;
  const postgres = new EmbeddedPostgres({ directory: server.directory, log });
  postgres
    .start()
    .catch((fault: unknown) => failed(fault instanceof EmbeddedPostgresFault ? new StartFault(fault.message) : fault));
  return postgres;
}
