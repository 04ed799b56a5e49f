import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SystemClock, newId } from '@app/core';
import { Database, type DatabaseParts, EmbeddedPostgres, embeddedUrl } from '@app/database';
import { Client } from 'pg';
import { opened } from './open-resources';

/** Set by Jest's global setup: where the PostgreSQL of this run is, once somebody asks for one. */
const DIRECTORY = 'QUAYSIDE_TEST_DATABASE_DIR';
const MIGRATIONS = join(__dirname, '../../database/migrations');
/** Nothing of a test run has to survive the machine; and what does not ask for UTC gets a zone in which no hour begins as there. */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '400',
  timezone: 'Asia/Kathmandu',
};
/** Classes of SQLSTATE: an object is missing, a value is wrong, a constraint is broken. */
const FAULT_OF_SQL = /^(42|22|23|0A)/;
const MAKING_TEMPLATE = "pg_advisory_lock(hashtext('quayside test template'))";

/** A database of a test's own on the PostgreSQL of this test run. Close it, or take it with `await using`. */
export interface TestDatabase extends AsyncDisposable {
  /** As `DATABASE_URL` takes it. */
  readonly url: string;
  /** Connected, and up. */
  readonly database: Database;
  /** Closes and drops it. */
  close(): Promise<void>;
}

/** How a test's database is made. */
export interface TestDatabaseOptions {
  /** Whether the schema is there already. Default true; else the first to connect migrates. */
  readonly migrated?: boolean;
}

/**
 * A fresh database with every migration run, on a real PostgreSQL that the whole test run shares; the first one to ask starts it,
 * and Jest stops it at the end.
 */
export async function testDatabase({ migrated = true }: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const name = `test_${newId().replaceAll('-', '')}`;
  const server = await sharedServer();
  await asAdministrator(server, async (client) => {
    const template = migrated ? await templateIn(server, client) : 'template0';
    await client.query(`create database ${name} template ${template}`);
  });
  const url = embeddedUrl(server, name);
  const database = await connected(url);
  const closed = opened(`test database ${name}`);
  const close = async (): Promise<void> => {
    await database.close();
    await asAdministrator(server, (client) => client.query(`drop database if exists ${name} with (force)`));
    closed();
  };
  return { url, database, close, [Symbol.asyncDispose]: close };
}

/** The data folder of the run's PostgreSQL, which is started unless it runs. */
async function sharedServer(): Promise<string> {
  const directory = process.env[DIRECTORY];
  if (!directory) throw new Error(`${DIRECTORY} is not set: run the tests with Jest.`);
  mkdirSync(directory, { recursive: true });
  const keeper = new EmbeddedPostgres({ directory, settings: SETTINGS, log: () => {} });
  await keeper.start();
  await keeper.leave();
  return directory;
}

/** One for each state of the migrations; of those who ask at once one makes it. */
async function templateIn(server: string, client: Client): Promise<string> {
  const files = readdirSync(MIGRATIONS).sort();
  const content = files.map((file) => readFileSync(join(MIGRATIONS, file), 'utf8')).join();
  const template = `template_${createHash('sha256').update(content).digest('hex').slice(0, 16)}`;
  await client.query(`select ${MAKING_TEMPLATE}`);
  const { rowCount } = await client.query('select from pg_database where datname = $1', [template]);
  if (rowCount) return template;
  await client.query(`drop database if exists ${template}_new`);
  await client.query(`create database ${template}_new template template0`);
  await (await connected(embeddedUrl(server, `${template}_new`))).close();
  await client.query(`alter database ${template}_new rename to ${template}`);
  return template;
}

/** One that is up. Throws what is wrong with a migration. */
async function connected(url: string): Promise<Database> {
  const broken = Promise.withResolvers<never>();
  const log: DatabaseParts['log'] = (_level, { reason }) => {
    if (FAULT_OF_SQL.test(String(reason))) broken.reject(new Error(`A migration failed: ${String(reason)}`));
  };
  const database = new Database({ server: { kind: 'url', url } }, { clock: new SystemClock(), log });
  database.start();
  await Promise.race([database.whenUp(), broken.promise]).catch(async (fault: unknown) => {
    await database.close();
    throw fault;
  });
  return database;
}

async function asAdministrator(server: string, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: embeddedUrl(server, 'postgres') });
  await client.connect();
  await work(client).finally(() => client.end());
}
