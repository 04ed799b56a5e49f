import type { JobDatabase } from './job-database';

/** A process that writes blobs, and the machine that it runs on. */
export interface NamedProbe {
  readonly id: string;
  readonly host: string;
}

/** Within which time a process that runs says so at least once, with room for an outage. */
const RUNS = "seen_at > now() - interval '2 minutes'";
const GONE = "seen_at < now() - interval '1 hour'";

/** Who writes blobs now. Every method throws database_unavailable. */
export class BlobProbes {
  constructor(private readonly db: Pick<JobDatabase, 'query'>) {}

  /** The process runs. Say so at least once a minute. */
  async note({ id, host }: NamedProbe): Promise<void> {
    const sql = 'insert into blob_probe (id, host) values ($1, $2) on conflict (id) do update set seen_at = now()';
    await this.db.query(sql, [id, host]);
  }

  /** The process has stopped, or died long ago. */
  async forget(id: string): Promise<void> {
    await this.db.query('delete from blob_probe where id = $1', [id]);
  }

  /** Those that run. */
  async running(): Promise<readonly NamedProbe[]> {
    return (await this.db.query<NamedProbe>(`select id, host from blob_probe where ${RUNS} order by id`)).rows;
  }

  /** The ids of those that died long ago. */
  async gone(): Promise<readonly string[]> {
    const { rows } = await this.db.query<{ id: string }>(`select id from blob_probe where ${GONE}`);
    return rows.map(({ id }) => id);
  }
}
