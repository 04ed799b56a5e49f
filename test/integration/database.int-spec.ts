import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SystemClock } from '@app/core';
import { Database, type DatabasePool, type DatabaseServer } from '@app/database';
import { type TestDatabase, eventually, testDatabase } from '@app/testing';
import { Client } from 'pg';

let here: TestDatabase;
beforeAll(async () => {
  here = await testDatabase();
});
afterAll(() => here.close());

const pools = (): readonly DatabasePool[] => [here.database.features, here.database.log, here.database.main];

/** What a statement gives as `value`. */
async function valueOf(expression: string, params: readonly unknown[] = []): Promise<unknown> {
  const { rows } = await here.database.query<{ value: unknown }>(
    here.database.main,
    `select ${expression} as value`,
    params,
  );
  return rows[0]?.value;
}

/** A database as a process has it, before it is started. */
const databaseAt = (server: DatabaseServer): Database =>
  new Database({ server }, { clock: new SystemClock(), log: () => {} });

describe('a value', () => {
  it.each([
    ['9223372036854775807::int8', 9223372036854775807n],
    ['(-9223372036854775808)::int8', -9223372036854775808n],
    ["'2026-11-24T23:59:59.123456Z'::timestamptz", 1795564799123456n],
    ["'1969-12-31T23:59:59.999999Z'::timestamptz", -1n],
    ["'0001-01-01T00:00:00Z'::timestamptz", -62135596800000000n],
    ["'0099-02-28T00:00:00Z'::timestamptz", -59037984000000000n],
    ["'12026-01-01T00:00:00Z'::timestamptz", 317336745600000000n],
    ["date '2026-03-08'", '2026-03-08'],
    ['0.10::numeric', '0.10'],
    [`'{"a":9007199254740993}'::jsonb`, '{"a": 9007199254740993}'],
    [`'{"a":1}'::json`, '{"a":1}'],
    ["array['a','b']::text[]", '{a,b}'],
    ['array[1,2]::int8[]', '{1,2}'],
    ['true', true],
    ['7::int2', 7],
    ['-7::int4', -7],
    ['0.1::float8', 0.1],
    ['5e-324::float8', 5e-324],
    ["'NaN'::float8", NaN],
    ["'-0'::float8", -0],
    ['null::timestamptz', null],
  ])('%s is read exactly', async (expression, value) => {
    expect(await valueOf(expression)).toBe(value);
  });

  it.each(["'infinity'::timestamptz", "'-infinity'::timestamptz", "'0044-03-15T00:00:00Z BC'::timestamptz"])(
    'that no microsecond tells is refused: %s',
    async (expression) => {
      await expect(valueOf(expression)).rejects.toBeInstanceOf(RangeError);
    },
  );

  it.each(["timestamp '2026-03-08 02:30'", "array[timestamp '2026-03-08 02:30']"])(
    'of a timestamp without time zone is refused: %s',
    async (expression) => {
      await expect(valueOf(expression)).rejects.toThrow(/timestamptz/);
    },
  );

  it('is read by the same rules on each pool and through Kysely', async () => {
    for (const pool of pools()) {
      const { rows, rowCount } = await pool.query('select 1::int8 as one union all select 2');
      expect([rows, rowCount]).toEqual([[{ one: 1n }, { one: 2n }], 2]);
    }
    const tables = here.database.kysely.withTables<{ 'pg_catalog.pg_class': { oid: number; relkind: string } }>();
    const counted = tables.selectFrom('pg_catalog.pg_class').select(({ fn }) => fn.countAll<bigint>().as('count'));
    expect(typeof (await counted.executeTakeFirstOrThrow()).count).toBe('bigint');
  });

  it('does not change how others in this process read theirs', async () => {
    const client = new Client({ connectionString: here.url });
    await client.connect();
    const { rows } = await client.query("select 1::int8 as eight, 'infinity'::timestamptz as ever");
    await client.end();
    expect(rows).toEqual([{ eight: '1', ever: Infinity }]);
  });
});

describe('a session', () => {
  it('has its limits, its name and our schema, whichever pool it is of', async () => {
    const sql = `select current_setting('statement_timeout') as timeout, current_setting('application_name') as name,
      current_schema() as schema`;
    const found = await Promise.all(pools().map((pool) => pool.query(sql)));
    expect(found.map(({ rows }) => rows[0])).toEqual([
      { timeout: '200ms', name: 'quayside features', schema: 'quayside' },
      { timeout: '5s', name: 'quayside log', schema: 'quayside' },
      { timeout: '10s', name: 'quayside main', schema: 'quayside' },
    ]);
  });

  it('is there for the first to ask, on every pool, as soon as the database is up', async () => {
    const database = databaseAt({ kind: 'url', url: here.url });
    database.start();
    await database.whenUp();
    const idle = [database.features, database.log, database.main].map((pool) => pool.usage.idle);
    await database.close();
    expect(idle).toEqual([4, 1, 1]);
  });

  it('is in UTC and exact, whatever the role and the database say', async () => {
    await using other = await testDatabase();
    const { rows } = await other.database.main.query<{ name: string }>('select current_database() as name');
    const name = rows[0]?.name ?? '';
    for (const setting of ["TimeZone = 'America/New_York'", "DateStyle = 'German'", 'extra_float_digits = 0']) {
      await other.database.main.query(`alter database ${name} set ${setting}`);
      await other.database.main.query(`alter role current_user in database ${name} set ${setting}`);
    }
    const database = databaseAt({ kind: 'url', url: other.url });
    database.start();
    await database.whenUp();
    const sql = "select '2026-03-08 02:30'::timestamptz as moment, 0.1::float8 + 0.2::float8 as sum";
    const found = await database.main.query(sql);
    await database.close();
    expect(found.rows).toEqual([{ moment: 1772937000000000n, sum: 0.1 + 0.2 }]);
  });

  it('that was put into another zone is not used', async () => {
    await using other = await testDatabase();
    // As a pooler in between might, it does not let a session have its way.
    await other.database.main.query(`
      create function quayside.move() returns event_trigger language plpgsql as
        $$ begin perform set_config('TimeZone', 'Asia/Kolkata', false); end $$;
      create event trigger moving on login execute function quayside.move();
      alter event trigger moving enable always`);
    const database = databaseAt({ kind: 'url', url: other.url });
    database.start();
    await eventually(() => expect(database.whyNotUp()).toContain('time zone Asia/Kolkata'));
    await database.close();
  });
});

describe('a moment', () => {
  const inZone = async (zone: string): Promise<{ offset: number; rows: unknown }> => {
    const script = join(__dirname, 'database-zone.cjs');
    const env = { ...process.env, TZ: zone };
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', script, here.url], { env });
    return JSON.parse(stdout) as { offset: number; rows: unknown };
  };

  it('is the same to processes in three zones', async () => {
    const zones = ['UTC', 'America/New_York', 'Asia/Kolkata'];
    const [utc, ...others] = await Promise.all(zones.map(inZone));
    expect(utc).toEqual({
      offset: 0,
      rows: [
        { moment: '1772937000123456n', text: '2026-03-08 02:30:00.123456+00', day: '2026-03-08', time: '02:30:00' },
      ],
    });
    expect(others.map(({ offset }) => offset)).toEqual([300, -330]);
    for (const { rows } of others) expect(rows).toEqual(utc?.rows);
  });
});

describe('a statement that fails', () => {
  it.each([
    ["select 'x'::int4", '22P02'],
    ['select * from nowhere', '42P01'],
    ['select 1/0', '22012'],
  ])('shows its SQLSTATE: %s', async (sql, code) => {
    await expect(here.database.main.query(sql)).rejects.toMatchObject({ code });
  });

  it('that takes too long tells that the database is not available, and its connection goes on', async () => {
    await expect(here.database.features.query('select pg_sleep(5)')).rejects.toMatchObject({
      code: 'database_unavailable',
      retryAfterMs: 1000,
    });
    expect((await here.database.features.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });
});

describe('a copy', () => {
  it('has every row or none, and its connection goes on', async () => {
    const { log } = here.database;
    await log.query('create table copied (n int, t text)');
    await log.copyIn('copy copied from stdin', Buffer.from('1\tone\n2\t\\N\n'));
    const refused = log.copyIn('copy copied from stdin', Buffer.from('3\tthree\nno number\tfour\n'));
    await expect(refused).rejects.toMatchObject({ code: '22P02' });
    await expect(log.copyIn('copy nowhere from stdin', Buffer.alloc(0))).rejects.toMatchObject({ code: '42P01' });
    const { rows } = await log.query('select n, t from copied order by n');
    expect(rows).toEqual([
      { n: 1, t: 'one' },
      { n: 2, t: null },
    ]);
  });

  it('whose connection breaks tells that the database is not available', async () => {
    const { log, main } = here.database;
    await log.query('create table watched (n int)');
    await log.query(`create function break() returns trigger language plpgsql as
      $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$`);
    await main.query('create trigger breaks before insert on watched for each row execute function break()');
    const broken = log.copyIn('copy watched from stdin', Buffer.from('1\n'));
    await expect(broken).rejects.toMatchObject({ code: 'database_unavailable' });
    await expect(eventually(() => log.query('select 1').catch(() => false))).resolves.toMatchObject({ rowCount: 1 });
  });
});

describe('a transaction', () => {
  beforeAll(() => here.database.main.query('create table note (id int primary key, text text)'));

  const ids = async (): Promise<readonly unknown[]> =>
    (await here.database.main.query<{ id: number }>('select id from note order by id')).rows.map(({ id }) => id);

  it('keeps all of its statements or none', async () => {
    const { database } = here;
    await database.transaction(database.main, (tx) => tx.query('insert into note values ($1)', [1]));
    const failing = database.transaction(database.main, async (tx) => {
      await tx.query('insert into note values ($1)', [2]);
      await tx.query('insert into note values ($1)', [1]);
    });
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    await expect(database.transaction(database.main, () => Promise.reject(new Error('mine')))).rejects.toThrow('mine');
    expect(await ids()).toEqual([1]);
  });

  it('does not seem to succeed when a failure in it was caught', async () => {
    const swallowing = here.database.main.transaction(async (tx) => {
      await tx.query('insert into note values ($1)', [1]).catch(() => {});
    });
    await expect(swallowing).rejects.toThrow(/rolled back/);
  });

  it('whose connection breaks tells that the database is not available', async () => {
    const broken = here.database.main.transaction((tx) => tx.query('select pg_terminate_backend(pg_backend_pid())'));
    await expect(broken).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(here.database.status()).toBe('up');
    await expect(ids()).resolves.toEqual([1]);
  });
});

describe('the schema', () => {
  it('is made once by processes that start together', async () => {
    await using fresh = await testDatabase({ migrated: false });
    const started = Array.from({ length: 4 }, () => databaseAt({ kind: 'url', url: fresh.url }));
    for (const database of started) database.start();
    await Promise.all(started.map((database) => database.whenUp()));
    await Promise.all(started.map((database) => database.close()));
    const { rows } = await fresh.database.main.query<{ name: string }>('select name from migration order by name');
    expect(rows[0]).toEqual({ name: '0001_base' });
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  });

  it('that a newer Quayside has extended is taken as it is', async () => {
    await using other = await testDatabase();
    await other.database.main.query("insert into migration values ('9999_future', '2099-01-01T00:00:00Z')");
    const database = databaseAt({ kind: 'url', url: other.url });
    database.start();
    await database.whenUp();
    expect(database.status()).toBe('up');
    await database.close();
  });
});

describe('a database that is not there', () => {
  it('is starting, and whatever is asked of it is refused at once', async () => {
    const database = databaseAt({ kind: 'url', url: 'postgres://127.0.0.1:1/nothing' });
    database.start();
    await eventually(() => expect(database.whyNotUp()).toContain('ECONNREFUSED'));
    expect(database.status()).toBe('starting');
    await expect(database.main.query('select 1')).rejects.toMatchObject({ code: 'database_unavailable' });
    await database.close();
  });

  it('by configuration is off', async () => {
    const database = databaseAt({ kind: 'none' });
    database.start();
    expect(database.status()).toBe('off');
    await expect(database.transaction(database.log, () => Promise.resolve())).rejects.toMatchObject({
      code: 'database_unavailable',
    });
    await database.close();
  });
});
