import { SystemClock } from '@app/core';
import { Database, EmbeddedPostgres, embeddedUrl } from '@app/database';
import { eventually, opened, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { BlindClients } from './blind-clients';
import { ServerProcess } from './server-process';

/** A PostgreSQL of a test's own, which may be stopped and started again while others use it. */
export class OwnPostgres implements AsyncDisposable {
  private readonly closed = opened('own PostgreSQL');

  private constructor(
    private readonly directory: string,
    private keeper: EmbeddedPostgres,
  ) {}

  static async start(): Promise<OwnPostgres> {
    const directory = await temporaryDirectory();
    const own = new OwnPostgres(directory, keeperOf(directory));
    await own.keeper.start();
    return own;
  }

  get url(): string {
    return embeddedUrl(this.directory);
  }

  /** Ends it, whoever is connected. */
  async stop(): Promise<void> {
    const pid = await this.keeper.pid();
    await this.keeper.leave();
    if (pid === undefined) return;
    process.kill(pid, 'SIGINT');
    await eventually(async () => (await this.keeper.pid()) === undefined);
  }

  async startAgain(): Promise<void> {
    this.keeper = keeperOf(this.directory);
    await this.keeper.start();
  }

  /** The first value that a statement gives. */
  async value<T>(sql: string): Promise<T> {
    const database = new Database(
      { server: { kind: 'url', url: this.url } },
      { clock: new SystemClock(), log: () => {} },
    );
    database.start();
    await database.whenUp();
    const { rows } = await database.main.query<Record<string, T>>(sql);
    await database.close();
    return Object.values(rows[0] ?? {})[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.closed();
  }
}

/** The answer of `GET /v1/prediction-log`, as far as the books need it. */
export interface Books {
  readonly written: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly rejected: number;
  readonly sampled_out: number;
  readonly queue: { readonly rows: number; readonly bytes: number };
}

/** What came of an outage. */
export interface Outage {
  readonly answered: number;
  readonly failures: readonly string[];
  readonly books: Books;
  readonly rowsInTable: number;
  readonly mostQueued: { readonly rows: number; readonly bytes: number };
  readonly answeredMeanwhile: number;
}

/** How PostgreSQL goes away, and how a server logs meanwhile. */
export interface OutageOptions {
  readonly settings?: Readonly<Record<string, string>>;
  readonly clients: number;
  /** Resolves when PostgreSQL is to come back. */
  until(load: BlindClients): Promise<unknown>;
}

/** Stops PostgreSQL under load, starts it again, and counts when all is quiet. */
export async function outage({ settings = {}, clients, until }: OutageOptions): Promise<Outage> {
  await using postgres = await OwnPostgres.start();
  const models = await temporaryDirectory();
  await writeModel(models, { name: 'adder', model: tiny.adds(1) });
  await using server = await ServerProcess.start({ MODEL_DIR: models, DATABASE_URL: postgres.url, ...settings });
  const url = await server.ready();
  await server.logged('database_up');
  const books = async (): Promise<Books> => (await (await fetch(`${url}/v1/prediction-log`)).json()) as Books;
  const body = JSON.stringify({ inputs: { x: [[1]] } });
  await using load = new BlindClients({ url, path: '/v1/models/adder/predict', body, clients });
  await eventually(async () => (await books()).written > 0);

  await postgres.stop();
  const before = load.answered;
  const most = { rows: 0, bytes: 0 };
  await Promise.all([
    until(load),
    eventually(async () => {
      const { rows, bytes } = (await books()).queue;
      [most.rows, most.bytes] = [Math.max(most.rows, rows), Math.max(most.bytes, bytes)];
      return rows > 0;
    }),
  ]);
  const { rows, bytes } = (await books()).queue;
  const mostQueued = { rows: Math.max(most.rows, rows), bytes: Math.max(most.bytes, bytes) };
  const answeredMeanwhile = load.answered - before;
  await postgres.startAgain();
  await server.logged('prediction_log_writing');
  await load.stop();
  await eventually(async () => (await books()).queue.rows === 0);
  const rowsInTable = await postgres.value<number>('select count(*)::int from quayside.prediction_log');
  const { answered, failures } = load;
  return { answered, failures, books: await books(), rowsInTable, mostQueued, answeredMeanwhile };
}

function keeperOf(directory: string): EmbeddedPostgres {
  return new EmbeddedPostgres({ directory, settings: { fsync: 'off' }, log: () => {} });
}
