import type { PostgresPool, PostgresPoolClient } from 'kysely';
import type { DatabasePool } from './database-pool';

/** A pool as Kysely takes it. Its connections have the limits and the errors of the pool; Kysely does not close it. */
export function asKyselyPool(pool: DatabasePool): PostgresPool {
  return {
    connect: async () => {
      const session = await pool.open();
      const query = (text: string, parameters: readonly unknown[] = []) => session.run(text, parameters);
      const release = (destroys?: boolean): void => session.release(destroys ? { destroys } : {});
      return { query, release } as unknown as PostgresPoolClient;
    },
    end: () => Promise.resolve(),
    options: {},
  };
}
