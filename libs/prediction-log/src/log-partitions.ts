import type { DatabasePool, Queryable } from '@app/database';

const DAY_MS = 86_400_000;
const PREFIX = 'prediction_log_';
const DAYS_AHEAD = 7;

/** Held by whoever makes a partition; within one transaction. */
const MAKING = "select pg_advisory_xact_lock(hashtext('quayside prediction_log partitions'))";
const KEEPING = "select pg_try_advisory_xact_lock(hashtext('quayside prediction_log housekeeping')) as is_mine";

interface Partition {
  readonly name: string;
  readonly is_half_detached: boolean;
}

/** The daily partitions of the log, each a day in UTC. Every call may be made by several processes at once. */
export class LogPartitions {
  constructor(private readonly pool: DatabasePool) {}

  /** Makes the partitions of these moments, where they are missing. */
  async make(momentsMs: Iterable<number>): Promise<void> {
    const days = new Set(Array.from(momentsMs, (momentMs) => Math.floor(momentMs / DAY_MS)));
    await this.pool.transaction(async (tx) => {
      await tx.query(MAKING);
      const attached = new Set((await partitionsOf(tx)).map(({ name }) => name));
      for (const day of [...days].sort((one, other) => one - other)) {
        if (!attached.has(nameOf(day))) await attach(tx, day);
      }
    });
  }

  /**
   * Makes the partitions of today and the days ahead, and removes those, and the rejects, whose last moment is over for longer
   * than the retention. False: another process is at it.
   */
  async keep(nowMs: number, retentionDays: number): Promise<boolean> {
    return this.pool.transaction(async (tx) => {
      const { rows } = await tx.query<{ is_mine: boolean }>(KEEPING);
      if (!rows[0]?.is_mine) return false;
      // The lock's transaction touches no table: what is detached waits for all that do.
      await this.make(Array.from({ length: DAYS_AHEAD + 1 }, (_, ahead) => nowMs + ahead * DAY_MS));
      await this.removeBefore(nowMs - retentionDays * DAY_MS);
      return true;
    });
  }

  private async removeBefore(momentMs: number): Promise<void> {
    const firstKept = nameOf(Math.floor(momentMs / DAY_MS));
    for (const { name, is_half_detached } of await partitionsOf(this.pool)) {
      if (is_half_detached) await this.pool.query(`alter table prediction_log detach partition ${name} finalize`);
      else if (name < firstKept)
        await this.pool.query(`alter table prediction_log detach partition ${name} concurrently`);
    }
    for (const name of await this.detached()) {
      if (name < firstKept) await this.pool.query(`drop table if exists ${name}`);
    }
    const before = new Date(momentMs).toISOString();
    await this.pool.query('delete from prediction_log_reject where rejected_at < $1', [before]);
  }

  /** Tables that were partitions: a process may have ended between detaching one and dropping it. */
  private async detached(): Promise<readonly string[]> {
    const { rows } = await this.pool.query<{ name: string }>(
      `select relname as name from pg_class
       where relnamespace = current_schema::regnamespace and relkind = 'r' and not relispartition
         and relname ~ '^${PREFIX}[0-9]{8}$'`,
    );
    return rows.map(({ name }) => name);
  }
}

/** The days that the log has, in order. */
export async function partitionsOf(db: Queryable): Promise<readonly Partition[]> {
  const { rows } = await db.query<Partition>(
    `select relname as name, inhdetachpending as is_half_detached
     from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = 'prediction_log'::regclass order by relname`,
  );
  return rows;
}

/** Made plain and then attached: that takes a weaker lock than making a partition at once, so nobody waits. */
async function attach(tx: Queryable, day: number): Promise<void> {
  const [from, to] = [day, day + 1].map((each) => new Date(each * DAY_MS).toISOString());
  await tx.query(`create table if not exists ${nameOf(day)} (like prediction_log including defaults)`);
  await tx.query(`alter table prediction_log attach partition ${nameOf(day)} for values from ('${from}') to ('${to}')`);
}

/** `prediction_log_20261124`: in the order of the days. */
function nameOf(day: number): string {
  return PREFIX + new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '');
}
