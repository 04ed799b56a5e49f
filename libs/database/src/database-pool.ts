import type { Clock } from '@app/core';
import { Pool, type PoolClient, type QueryResult as PgResult } from 'pg';
import { CopyIn } from './copy-in';
import { type DatabaseServer, connectionTo } from './server-address';
import { isServerFault, unavailable } from './unavailable';

/** What may take how long on one pool. */
export interface PoolLimits {
  /** Connections at most. */
  readonly size: number;
  /** As many of them are opened before anybody asks, and stay; at least one, so that others see that this process is there. */
  readonly keeps: number;
  /** How long the server works on a statement, in milliseconds. */
  readonly statementTimeoutMs: number;
  /** How long an answer is waited for, in milliseconds: a frozen server notices no timeout of its own. */
  readonly queryTimeoutMs: number;
}

/** What a statement gave. */
export interface QueryResult<Row> {
  readonly rows: readonly Row[];
  /** Rows that were read or changed; 0 where the statement does neither. */
  readonly rowCount: number;
}

/** What runs statements: a pool, or one transaction. */
export interface Queryable {
  /**
   * Runs one statement; `$1` stands for the first of `params`. Throws database_unavailable when PostgreSQL cannot be
   * reached or does not answer in time; an error of the statement stays the `DatabaseError` of `pg`, with its SQLSTATE in
   * `code`. Timestamps go in as RFC 3339 text with `Z`, jsonb as text, 64-bit integers as text or BigInt.
   */
  query<Row>(sql: string, params?: readonly unknown[]): Promise<QueryResult<Row>>;
}

/** What a pool is made of. */
export interface PoolParts {
  readonly name: string;
  readonly server: DatabaseServer;
  readonly clock: Clock;
  readonly limits: PoolLimits;
  /** Why nothing can be asked now; undefined when it can. */
  refusal(): unknown;
}

/** How long a connection may take to be had, in milliseconds, the wait for a free one included. */
const CONNECT_TIMEOUT_MS = 1000;
const CLOSE_TIMEOUT_MS = 1000;
const ZONE = 'UTC';

/** An answer that is no longer waited for. */
class GivenUp extends Error {}

type GiveUp = (reason: string) => void;

/**
 * Connections to PostgreSQL with the same limits. A connection that did not answer in time, or broke, is destroyed and never used again.
 * Every connection is in UTC, checked when it is made.
 */
export class DatabasePool implements Queryable {
  private readonly pool: Pool;
  private readonly waits = new Set<GiveUp>();
  private readonly broken = new WeakSet<object>();

  constructor(private readonly parts: PoolParts) {
    const { size, keeps, statementTimeoutMs } = parts.limits;
    this.pool = new Pool({
      ...connectionTo(parts.server, parts.name),
      max: size,
      min: keeps,
      statement_timeout: statementTimeoutMs,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      verify: (client, done) => void this.checkZone(client).then(() => done(), done),
    });
    // A connection that breaks emits an error, whoever has it; without a listener that would end the process.
    this.pool.on('connect', (client) => client.on('error', () => this.broken.add(client)));
    this.pool.on('error', () => {});
  }

  /** How many connections there are, are unused, and how many callers wait for one. */
  get usage(): { readonly total: number; readonly idle: number; readonly waiting: number } {
    return { total: this.pool.totalCount, idle: this.pool.idleCount, waiting: this.pool.waitingCount };
  }

  query<Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<Row>> {
    return this.withSession((session) => session.query<Row>(sql, params));
  }

  /**
   * Runs `copy … from stdin` with all of its rows, in the form that the statement names: the cheapest way to write many. Either
   * every row is in or none. Throws as `query` does.
   */
  copyIn(sql: string, rows: Buffer): Promise<void> {
    return this.withSession((session) => session.copyIn(sql, rows));
  }

  /**
   * Runs `work` in one transaction, which is committed when it resolves and rolled back when it throws. When the connection
   * breaks during the commit the outcome is unknown: it throws database_unavailable, and the rows may be there.
   */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    return this.withSession(async (session) => {
      await session.query('begin');
      const result = await work(session).catch(async (fault: unknown) => {
        await session.rollback();
        throw fault;
      });
      await session.commit();
      return result;
    });
  }

  /** A connection of one's own, to be released. Throws database_unavailable. */
  async open(): Promise<Session> {
    const refusal = this.parts.refusal();
    if (refusal !== undefined) throw unavailable(refusal);
    return this.connect();
  }

  /** Opens the connections that it keeps, whatever is refused otherwise. What cannot be opened is tried again when it is needed. */
  async warm(): Promise<void> {
    const opening = Array.from({ length: this.parts.limits.keeps }, () => this.connect());
    for (const opened of await Promise.allSettled(opening)) if (opened.status === 'fulfilled') opened.value.release();
  }

  private async connect(): Promise<Session> {
    const opening = this.pool.connect();
    try {
      return new Session(await this.bounded(opening, CONNECT_TIMEOUT_MS * 2), this);
    } catch (fault) {
      opening.then(
        (late) => late.release(true),
        () => {},
      );
      throw unavailable(fault);
    }
  }

  /** Waits for nothing that is under way: all of it ends with database_unavailable. */
  giveUp(reason: string): void {
    for (const giveUp of this.waits) giveUp(reason);
  }

  /** Ends every connection; what is under way ends with database_unavailable. */
  async close(): Promise<void> {
    this.giveUp('The pool is closed.');
    // A frozen server never acknowledges the end of a connection.
    await this.bounded(this.pool.end(), CLOSE_TIMEOUT_MS).catch(() => {});
  }

  /** @internal */
  ask(client: PoolClient, sql: string, params: readonly unknown[]): Promise<PgResult> {
    return this.bounded(client.query(sql, [...params]), this.parts.limits.queryTimeoutMs);
  }

  /** @internal */
  feed(client: PoolClient, sql: string, rows: Buffer): Promise<void> {
    return this.bounded(client.query(new CopyIn(sql, rows)).done, this.parts.limits.queryTimeoutMs);
  }

  /** @internal Whether the connection is of no more use after a fault. */
  isLost(client: PoolClient, fault: unknown): boolean {
    return fault instanceof GivenUp || this.broken.has(client);
  }

  private async withSession<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.open();
    try {
      return await work(session);
    } finally {
      session.release();
    }
  }

  private async checkZone(client: PoolClient): Promise<void> {
    const { rows } = await this.ask(client, "select current_setting('TimeZone') as zone", []);
    const zone = (rows as readonly { readonly zone: string }[])[0]?.zone;
    if (zone !== ZONE) throw new Error(`The session is in time zone ${zone} and not in ${ZONE}.`);
  }

  private async bounded<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
    const outcome = Promise.withResolvers<T>();
    const giveUp = (reason: string): void => outcome.reject(new GivenUp(reason));
    // An answer that came while this process was busy is read before the timer counts.
    const late = (): void => void setImmediate(() => giveUp(`No answer within ${timeoutMs} ms.`));
    const timer = this.parts.clock.setTimer(timeoutMs, late);
    this.waits.add(giveUp);
    work.then(outcome.resolve, outcome.reject);
    try {
      return await outcome.promise;
    } finally {
      timer.cancel();
      this.waits.delete(giveUp);
    }
  }
}

/** One connection of a pool, lent to one caller. */
export class Session implements Queryable {
  private isLost = false;

  /** @internal */
  constructor(
    private readonly client: PoolClient,
    private readonly pool: DatabasePool,
  ) {}

  async query<Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<Row>> {
    const { rows, rowCount } = await this.run(sql, params);
    return { rows: rows as readonly Row[], rowCount: rowCount ?? 0 };
  }

  /** As `query`, with the whole result of `pg`. */
  run(sql: string, params: readonly unknown[]): Promise<PgResult> {
    return this.guarded(() => this.pool.ask(this.client, sql, params));
  }

  /** As `DatabasePool.copyIn`. */
  copyIn(sql: string, rows: Buffer): Promise<void> {
    return this.guarded(() => this.pool.feed(this.client, sql, rows));
  }

  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    if (this.isLost) throw unavailable('The connection broke before.');
    try {
      return await work();
    } catch (fault) {
      this.isLost = this.pool.isLost(this.client, fault);
      throw this.isLost || isServerFault(fault) ? unavailable(fault) : fault;
    }
  }

  /** Ends a transaction well. Throws when a statement in it had failed, whoever caught that. */
  async commit(): Promise<void> {
    const { command } = await this.run('commit', []);
    if (command !== 'COMMIT') throw new Error('The transaction was rolled back: a statement in it had failed.');
  }

  /** Ends a transaction without a trace; a connection that cannot even do that is destroyed. */
  async rollback(): Promise<void> {
    await this.run('rollback', []).catch(() => (this.isLost = true));
  }

  /** Gives the connection back, or destroys it when it is broken. */
  release({ destroys = this.isLost }: { readonly destroys?: boolean } = {}): void {
    this.client.release(destroys);
  }
}
