import type { Clock } from '@app/core';
import { Kysely, PostgresDialect } from 'kysely';
import { DatabasePool, type PoolLimits, type QueryResult, type Queryable } from './database-pool';
import { type DatabaseStatus, moveDatabase } from './database-status';
import { asKyselyPool } from './kysely-pool';
import { migrate } from './migrations';
import type { DatabaseServer } from './server-address';
import { reasonOf } from './unavailable';

/** Which PostgreSQL a process uses. */
export interface DatabaseOptions {
  readonly server: DatabaseServer;
}

/** What a database is made of beside its options. */
export interface DatabaseParts {
  readonly clock: Clock;
  log(
    level: 'log' | 'warn',
    line: { readonly event: string; readonly msg: string; readonly [key: string]: unknown },
  ): void;
}

/** No flush and no report takes the connection of a request: they have pools of their own. */
const POOLS = {
  // To open one takes as long as a request waits for its features.
  features: { size: 8, keeps: 4, statementTimeoutMs: 200, queryTimeoutMs: 250 },
  log: { size: 1, keeps: 1, statementTimeoutMs: 5000, queryTimeoutMs: 6000 },
  main: { size: 8, keeps: 1, statementTimeoutMs: 10_000, queryTimeoutMs: 11_000 },
} as const satisfies Record<string, PoolLimits>;

const WATCH: PoolLimits = { size: 1, keeps: 1, statementTimeoutMs: 1000, queryTimeoutMs: 1000 };
/** Kysely holds one connection for its lock while the other one looks at what was applied. */
const MIGRATION: PoolLimits = { size: 2, keeps: 1, statementTimeoutMs: 600_000, queryTimeoutMs: 610_000 };
const BEAT_EVERY_MS = 500;
/** How long our own PostgreSQL may need to start before that is worth a line. */
const QUIET_START_MS = 10_000;
const FIRST_RETRY_MS = 25;
const LONGEST_RETRY_MS = 500;

/**
 * PostgreSQL, as one process sees it: three pools, and a watch that knows within two seconds when the server is gone or
 * frozen. From then on everything that is asked, or under way, fails at once with database_unavailable, until it answers again;
 * it is migrated before it counts as up. Nothing here keeps a process from serving what needs no database.
 */
export class Database {
  /** For the features of a request: short timeouts. */
  readonly features: DatabasePool;
  /** For the prediction log. */
  readonly log: DatabasePool;
  /** For everything else. */
  readonly main: DatabasePool;
  /** Kysely over `main`; `withTables<…>()` gives it types. */
  readonly kysely: Kysely<unknown>;
  private readonly watch: DatabasePool;
  private readonly firstUp = Promise.withResolvers<void>();
  private readonly rested = Promise.withResolvers<void>();
  private state: DatabaseStatus;
  private reason = 'It has not been reached yet.';
  private reported = '';
  private startedAtMs = 0;
  private upSinceMs: number | undefined;
  private isClosed = false;
  private endRest = (): void => {};

  constructor(
    private readonly options: DatabaseOptions,
    private readonly parts: DatabaseParts,
  ) {
    this.state = options.server.kind === 'none' ? 'off' : 'starting';
    this.features = this.pool('features', POOLS.features);
    this.log = this.pool('log', POOLS.log);
    this.main = this.pool('main', POOLS.main);
    this.watch = this.pool('watch', WATCH, () => undefined);
    this.kysely = new Kysely({ dialect: new PostgresDialect({ pool: asKyselyPool(this.main) }) });
  }

  /** Runs one statement on a pool, as `Queryable.query` says. */
  query<Row>(pool: DatabasePool, sql: string, params?: readonly unknown[]): Promise<QueryResult<Row>> {
    return pool.query<Row>(sql, params);
  }

  /** Runs `work` in one transaction on a pool, as `DatabasePool.transaction` says. */
  transaction<T>(pool: DatabasePool, work: (tx: Queryable) => Promise<T>): Promise<T> {
    return pool.transaction(work);
  }

  /** Where it stands now; from memory. */
  status(): DatabaseStatus {
    return this.state;
  }

  /** Why it is not up; empty when it is. */
  whyNotUp(): string {
    return this.state === 'up' ? '' : this.reason;
  }

  /** For how long it has been up without a break, in milliseconds; 0 while it is not. */
  upForMs(): number {
    return this.upSinceMs === undefined ? 0 : this.parts.clock.monotonicMs() - this.upSinceMs;
  }

  /** Resolves when it is migrated and reachable for the first time; never, when that does not happen. */
  whenUp(): Promise<void> {
    return this.firstUp.promise;
  }

  /** Begins to look for the server, in the background. */
  start(): void {
    if (this.state === 'off') return this.rested.resolve();
    this.startedAtMs = this.parts.clock.monotonicMs();
    void this.keepWatch();
  }

  /** Ends every connection; what is under way ends with database_unavailable. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.endRest();
    await Promise.all([...this.pools, this.watch].map((pool) => pool.close()));
    await this.rested.promise;
  }

  private pool(name: string, limits: PoolLimits, refusal = () => this.refusal()): DatabasePool {
    return new DatabasePool({ name, limits, refusal, server: this.options.server, clock: this.parts.clock });
  }

  private get pools(): readonly DatabasePool[] {
    return [this.features, this.log, this.main];
  }

  private refusal(): unknown {
    return this.state === 'up' && !this.isClosed ? undefined : this.reason;
  }

  private async keepWatch(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!this.isClosed) {
      try {
        await this.watch.query('select 1');
        if (this.state !== 'up') await this.comeUp();
        retryMs = FIRST_RETRY_MS;
        await this.rest(BEAT_EVERY_MS);
      } catch (fault) {
        this.goDown(fault);
        await this.rest(retryMs);
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      }
    }
    this.rested.resolve();
  }

  /** Each time anew: what answers may be another server than before, or an older state of it. */
  private async comeUp(): Promise<void> {
    const pool = this.pool('migration', MIGRATION, () => undefined);
    const migrations = await migrate(pool).finally(() => pool.close());
    await Promise.all(this.pools.map((each) => each.warm()));
    if (this.isClosed) return;
    this.state = moveDatabase(this.state, 'up');
    this.upSinceMs = this.parts.clock.monotonicMs();
    this.firstUp.resolve();
    this.parts.log('log', {
      event: 'database_up',
      migrations,
      msg: 'PostgreSQL answers, and its schema is up to date.',
    });
  }

  private goDown(fault: unknown): void {
    if (this.isClosed) return;
    const cause = fault instanceof Error && fault.cause !== undefined ? fault.cause : fault;
    const reason = reasonOf(cause);
    const isNews = this.state === 'up' || (this.reported !== reason && !this.isQuiet());
    if (isNews) this.reported = reason;
    this.reason = reason;
    this.upSinceMs = undefined;
    if (this.state === 'up') this.state = moveDatabase(this.state, 'down');
    for (const pool of this.pools) pool.giveUp(this.reason);
    if (isNews)
      this.parts.log('warn', { event: 'database_down', reason: this.reason, msg: 'PostgreSQL does not answer.' });
  }

  private isQuiet(): boolean {
    const { server } = this.options;
    return server.kind === 'embedded' && this.parts.clock.monotonicMs() - this.startedAtMs < QUIET_START_MS;
  }

  private rest(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.parts.clock.setTimer(delayMs, resolve);
      this.endRest = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
