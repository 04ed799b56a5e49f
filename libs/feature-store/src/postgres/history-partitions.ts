import type { Queryable } from '@app/database';

/** A month's partition of the history that is missing. */
interface MissingMonth {
  readonly name: string;
  readonly first: string;
  readonly next: string;
}

/** This month and two more; by the database's clock, which also stamps the rows. */
const MISSING = `
  select 'feature_history_' || to_char(month, 'YYYYMM') as name,
         to_char(month, 'YYYY-MM-DD') as first, to_char(month + interval '1 month', 'YYYY-MM-DD') as next
  from generate_series(date_trunc('month', now()), date_trunc('month', now()) + interval '2 months', '1 month') as month
  where to_regclass('feature_history_' || to_char(month, 'YYYYMM')) is null`;

/** Makes the partitions of the history that the next months need. Runs in a transaction that holds the features' lock. */
export async function addHistoryPartitions(tx: Queryable): Promise<void> {
  const { rows } = await tx.query<MissingMonth>(MISSING);
  for (const { name, first, next } of rows) {
    // Made plain and then attached: pushes go on meanwhile.
    await tx.query(`create table ${name} (like feature_history including all)`);
    await tx.query(
      `alter table feature_history attach partition ${name} for values from ('${first}Z') to ('${next}Z')`,
    );
  }
}

/** Partitions whose month ended more than a month ago, oldest first. */
export async function pastHistoryPartitions(session: Queryable): Promise<readonly string[]> {
  const { rows } = await session.query<{ name: string }>(`
    select child.relname as name
    from pg_inherits join pg_class as child on child.oid = inhrelid
    where inhparent = 'feature_history'::regclass
      and child.relname < 'feature_history_' || to_char(now() - interval '1 month', 'YYYYMM')
    order by child.relname`);
  return rows.map(({ name }) => name);
}
