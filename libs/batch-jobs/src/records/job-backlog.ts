import type { JobDatabase } from './job-database';

/** What a model is taken to run before it has run: 100 rows a second, the pace of a small text model on one core. */
const UNKNOWN_ROWS_PER_SECOND = 100;

/**
 * How long one worker would take for all that is left, in seconds: the rows without an answer of every job that is queued or
 * running, by the rate of its model. What runs at this moment counts too. Throws database_unavailable.
 */
export async function backlogSeconds(db: Pick<JobDatabase, 'query'>): Promise<number> {
  const { rows } = await db.query<{ seconds: number }>(
    `select coalesce(sum(remaining / coalesce(nullif(rows_per_second, 0), $1)), 0)::float8 as seconds
     from (select digest, sum(total - succeeded - failed)::float8 as remaining
           from job where status in ('queued', 'running') group by digest) as work
     left join model_rate using (digest)`,
    [UNKNOWN_ROWS_PER_SECOND],
  );
  return rows[0]?.seconds ?? 0;
}
