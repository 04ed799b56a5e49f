import type { Clock, Timer } from '@app/core';
import type { Database, Queryable } from '@app/database';
import type { FeatureViews } from '../views/feature-views';
import { beginHousekeeping, endHousekeeping, lockFeatures } from './feature-lock';
import { addHistoryPartitions, pastHistoryPartitions } from './history-partitions';

/** What one round of housekeeping did. */
export interface HousekeepingRound {
  /** False: another process is at it. */
  readonly isOurs: boolean;
  readonly onlineRows: number;
  readonly historyRows: number;
  readonly pushes: number;
  readonly droppedPartitions: readonly string[];
}

/** What the housekeeping is made of. */
export interface HousekeepingParts {
  readonly database: Database;
  readonly views: FeatureViews;
  readonly clock: Clock;
  /** Told of a round that failed; the next one tries again. */
  failed(fault: unknown): void;
}

const EVERY_MS = 3_600_000;
/** Rows that one statement deletes, so that none takes long or locks much. */
const ROWS_AT_ONCE = 10_000;
/** How long a repeated push is recognised. */
const PUSH_KEPT_DAYS = 7;
const NOT_OURS: HousekeepingRound = { isOurs: false, onlineRows: 0, historyRows: 0, pushes: 0, droppedPartitions: [] };

/**
 * Makes partitions ahead and deletes what its view no longer keeps, every hour, in whichever process gets the lock. A view
 * keeps rows as long as any of its declared versions says, and for ever when one says nothing.
 */
export class FeatureHousekeeping {
  private timer: Timer | undefined;
  private round: Promise<unknown> = Promise.resolve();
  private isClosed = false;

  constructor(private readonly parts: HousekeepingParts) {}

  /** Begins a round now, and one every hour. */
  start(): void {
    if (this.isClosed) return;
    this.round = this.run()
      .catch((fault: unknown) => this.parts.failed(fault))
      .finally(() => {
        if (!this.isClosed) this.timer = this.parts.clock.setTimer(EVERY_MS, () => this.start());
      });
  }

  /** Begins no round any more, and waits for the one under way. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.timer?.cancel();
    await this.round;
  }

  /** One round. Throws database_unavailable. */
  async run(): Promise<HousekeepingRound> {
    const session = await this.parts.database.main.open();
    try {
      if (!(await beginHousekeeping(session))) return NOT_OURS;
      const done = await this.keepHouse(session);
      await endHousekeeping(session);
      session.release();
      return done;
    } catch (fault) {
      // With the connection goes the lock.
      session.release({ destroys: true });
      throw fault;
    }
  }

  private async keepHouse(session: Queryable): Promise<HousekeepingRound> {
    await inTransaction(session, async () => {
      await lockFeatures(session);
      await addHistoryPartitions(session);
    });
    let [onlineRows, historyRows] = [0, 0];
    const past = await allPartitions(session);
    for (const { view, onlineUs, historyUs } of this.retentions()) {
      if (onlineUs !== undefined) onlineRows += await repeated(session, DELETE_ONLINE, [view, seconds(onlineUs)]);
      for (const partition of historyUs === undefined ? [] : past) {
        historyRows += await repeated(session, deleteHistory(partition), [view, seconds(historyUs ?? 0n)]);
      }
    }
    const pushes = await repeated(session, DELETE_PUSHES, []);
    return { isOurs: true, onlineRows, historyRows, pushes, droppedPartitions: await dropEmpty(session) };
  }

  private retentions(): readonly { view: string; onlineUs: bigint | undefined; historyUs: bigint | undefined }[] {
    const names = new Set(this.parts.views.all().map(({ name }) => name));
    return [...names].map((view) => {
      const kept = this.parts.views.versionsOf(view).map(({ retention }) => retention);
      const longest = (of: 'onlineUs' | 'historyUs'): bigint | undefined =>
        kept.reduce<bigint | undefined>((most, next) => longer(most, next[of]), 0n);
      return { view, onlineUs: longest('onlineUs'), historyUs: longest('historyUs') };
    });
  }
}

const DELETE_ONLINE = `
  delete from feature_online where (view_id, entity_key) in (
    select view_id, entity_key from feature_online
    where view_id = (select id from feature_view where name = $1) and event_ts < now() - make_interval(secs => $2)
    order by view_id, entity_key limit ${ROWS_AT_ONCE} for update skip locked)`;

const DELETE_PUSHES = `
  delete from feature_push where push_id in (
    select push_id from feature_push where created_ts < now() - interval '${PUSH_KEPT_DAYS} days' limit ${ROWS_AT_ONCE})`;

function deleteHistory(partition: string): string {
  return `
    delete from ${partition} where ctid = any(array(
      select ctid from ${partition}
      where view_id = (select id from feature_view where name = $1) and created_ts < now() - make_interval(secs => $2)
      limit ${ROWS_AT_ONCE}))`;
}

/** Undefined is for ever, which is longer than anything. */
function longer(left: bigint | undefined, right: bigint | undefined): bigint | undefined {
  if (left === undefined || right === undefined) return undefined;
  return left > right ? left : right;
}

function seconds(micros: bigint): number {
  return Number(micros) / 1_000_000;
}

/** Runs a deletion of limited size until nothing is left. */
async function repeated(session: Queryable, sql: string, params: readonly unknown[]): Promise<number> {
  let total = 0;
  for (;;) {
    const { rowCount } = await session.query(sql, params);
    total += rowCount;
    if (rowCount < ROWS_AT_ONCE) return total;
  }
}

async function allPartitions(session: Queryable): Promise<readonly string[]> {
  const { rows } = await session.query<{ name: string }>(
    "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'feature_history'::regclass",
  );
  return rows.map(({ name }) => name);
}

/** Drops partitions of the past that hold nothing any more; one that is in use is dropped another time. */
async function dropEmpty(session: Queryable): Promise<readonly string[]> {
  const dropped: string[] = [];
  for (const name of await pastHistoryPartitions(session)) {
    const { rows } = await session.query(`select from ${name} limit 1`);
    if (rows.length > 0) continue;
    await inTransaction(session, async () => {
      await session.query("set local lock_timeout = '1s'");
      await session.query(`drop table ${name}`);
    });
    dropped.push(name);
  }
  return dropped;
}

async function inTransaction(session: Queryable, work: () => Promise<void>): Promise<void> {
  await session.query('begin');
  await work();
  await session.query('commit');
}
