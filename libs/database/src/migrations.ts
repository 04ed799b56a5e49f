import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type { DatabasePool } from './database-pool';
import { asKyselyPool } from './kysely-pool';
import { SCHEMA } from './server-address';

/** `NNNN_name.sql`, run in the order of their names; beside the source and, after a build, beside the compiled code. */
const MIGRATIONS = join(__dirname, '..', 'migrations');
const MIGRATION_TABLE = 'migration';

/**
 * Brings the schema up to date, in one transaction and under a lock, so that processes that start together run each file
 * once. Forward only. What a newer Quayside has added is left alone. Gives the names that were run.
 */
export async function migrate(pool: DatabasePool): Promise<readonly string[]> {
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: asKyselyPool(pool) }) });
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => ({ ...(await appliedIn(pool)), ...(await filesIn(MIGRATIONS)) }) },
    migrationTableSchema: SCHEMA,
    migrationTableName: MIGRATION_TABLE,
    migrationLockTableName: `${MIGRATION_TABLE}_lock`,
  });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error !== undefined) throw asError(error);
  return results.map(({ migrationName }) => migrationName);
}

async function filesIn(directory: string): Promise<Record<string, Migration>> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')));
  return Object.fromEntries(names.map((name, at) => [name.replace(/\.sql$/, ''), fromSql(texts[at] ?? '')]));
}

function fromSql(text: string): Migration {
  return { up: async (db) => void (await sql.raw(text).execute(db)) };
}

/** Kysely refuses to run where a migration was applied that it does not know; after a step back in versions one was. */
async function appliedIn(pool: DatabasePool): Promise<Record<string, Migration>> {
  const table = `${SCHEMA}.${MIGRATION_TABLE}`;
  const { rows: found } = await pool.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [
    table,
  ]);
  if (!found[0]?.exists) return {};
  const { rows } = await pool.query<{ name: string }>(`select name from ${table}`);
  return Object.fromEntries(rows.map(({ name }) => [name, { up: () => Promise.resolve() }]));
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
