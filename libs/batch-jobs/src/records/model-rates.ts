import type { JobDatabase } from './job-database';

/** How much of the average the newest measurement is. */
const NEWEST = 0.2;

/** How many rows a second one worker runs of a model: a moving average over all workers, by the digest of the version. */
export class ModelRates {
  constructor(private readonly db: Pick<JobDatabase, 'query'>) {}

  /** Rows per second; undefined for a model that has not run yet. Throws database_unavailable. */
  async read(digest: string): Promise<number | undefined> {
    const sql = 'select rows_per_second as rate from model_rate where digest = $1';
    return (await this.db.query<{ rate: number }>(sql, [digest])).rows[0]?.rate;
  }

  /** Adds a measurement, the first of a model as it is. Throws database_unavailable. */
  async record(digest: string, rowsPerSecond: number): Promise<void> {
    await this.db.query(
      `insert into model_rate as m (digest, rows_per_second) values ($1, $2)
       on conflict (digest) do update set updated_at = now(),
         rows_per_second = m.rows_per_second * (1 - $3::float8) + excluded.rows_per_second * $3::float8`,
      [digest, rowsPerSecond, NEWEST],
    );
  }
}
