import type { Queryable } from '@app/database';

/** The advisory locks of the feature store; their numbers mean nothing but must be no one else's. */
const LOCKS = { schema: 7_318_401, housekeeping: 7_318_402, firstRows: 7_318_403 } as const;

/** Waits until no other process applies views or makes partitions; held until the transaction ends. */
export async function lockFeatures(tx: Queryable): Promise<void> {
  await tx.query('select pg_advisory_xact_lock($1)', [LOCKS.schema]);
}

/** Waits until no other process looks whether the store is empty; held until the transaction ends. */
export async function lockFirstRows(tx: Queryable): Promise<void> {
  await tx.query('select pg_advisory_xact_lock($1)', [LOCKS.firstRows]);
}

/** Whether this session does the housekeeping now; another process's does when false. Held until `endHousekeeping`. */
export async function beginHousekeeping(session: Queryable): Promise<boolean> {
  const { rows } = await session.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [
    LOCKS.housekeeping,
  ]);
  return rows[0]?.taken === true;
}

/** Lets other processes do the housekeeping. */
export async function endHousekeeping(session: Queryable): Promise<void> {
  await session.query('select pg_advisory_unlock($1)', [LOCKS.housekeeping]);
}
