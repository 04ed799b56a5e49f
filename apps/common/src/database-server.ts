import type { Config } from '@app/config';
import type { DatabaseServer } from '@app/database';

/** Which PostgreSQL the settings ask for. */
export function databaseServer({ data, database }: Pick<Config, 'data' | 'database'>): DatabaseServer {
  if (database.url === undefined) return { kind: 'embedded', directory: data.dir };
  return database.url === 'none' ? { kind: 'none' } : { kind: 'url', url: database.url };
}
