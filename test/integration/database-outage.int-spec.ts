import { SystemClock } from '@app/core';
import { Database } from '@app/database';
import { eventually, opened } from '@app/testing';
import { EmbeddedCluster } from './embedded-cluster';

const unavailable = { code: 'database_unavailable' };

let cluster: EmbeddedCluster;
let database: Database;
let closed: () => void;
let events: string[];

beforeAll(async () => {
  cluster = await EmbeddedCluster.start();
  events = [];
  const server = { kind: 'embedded', directory: cluster.directory } as const;
  database = new Database({ server }, { clock: new SystemClock(), log: (_level, { event }) => events.push(event) });
  closed = opened('database');
  database.start();
  await database.whenUp();
});
afterAll(async () => {
  await database.close();
  closed();
  await cluster[Symbol.asyncDispose]();
});

const isUp = (): Promise<void> => eventually(() => expect(database.status()).toBe('up'));
const isDown = (): Promise<void> => eventually(() => expect(database.status()).toBe('down'));

/** The process ids of the sessions of a pool. */
async function sessionsOf(name: string): Promise<readonly number[]> {
  const sql = 'select pid from pg_stat_activity where application_name = $1';
  return (await database.main.query<{ pid: number }>(sql, [`quayside ${name}`])).rows.map(({ pid }) => pid);
}

describe('a session that freezes', () => {
  it('is given up after the time of its pool, destroyed, and another one takes its place', async () => {
    const { rows } = await database.features.query<{ pid: number }>('select pg_backend_pid() as pid');
    const frozen = rows[0]?.pid ?? 0;
    process.kill(frozen, 'SIGSTOP');
    await expect(database.features.query('select 1')).rejects.toMatchObject(unavailable);
    expect(database.status()).toBe('up');
    const after = await database.features.query<{ pid: number }>('select pg_backend_pid() as pid');
    expect(after.rows[0]?.pid).not.toBe(frozen);
    process.kill(frozen, 'SIGCONT');
    await eventually(async () => expect(await sessionsOf('features')).not.toContain(frozen));
  });
});

describe('a server that freezes', () => {
  it('is noticed: what is under way ends, what comes is refused at once, and it goes on by itself', async () => {
    const sql = "select pid from pg_stat_activity where datname is not null or backend_type = 'postmaster'";
    const { rows } = await database.main.query<{ pid: number }>(sql);
    const processes = [await cluster.pid(), ...rows.map(({ pid }) => pid)];
    const underWay = database.main.query('select pg_sleep(60)');
    for (const pid of processes) process.kill(pid, 'SIGSTOP');
    // Far below the eleven seconds of its pool: the watch gave up, not the query.
    await expect(underWay).rejects.toMatchObject(unavailable);
    await isDown();
    await expect(database.main.query('select 1')).rejects.toMatchObject(unavailable);
    for (const pid of processes) process.kill(pid, 'SIGCONT');
    await isUp();
    expect((await database.main.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });
});

describe('a server that is killed', () => {
  it('is started again by its keeper, and reached again', async () => {
    const pid = await cluster.pid();
    const underWay = database.main.query('select pg_sleep(60)');
    await cluster.signal('SIGKILL');
    await expect(underWay).rejects.toMatchObject(unavailable);
    await isUp();
    await eventually(async () => (await database.main.query('select 1')).rowCount === 1);
    expect(await cluster.pid()).not.toBe(pid);
    expect(cluster.events).toEqual(expect.arrayContaining(['postgres_started', 'postgres_lost']));
  });
});

describe('sessions that an operator ends', () => {
  it('are replaced without an outage', async () => {
    await database.features.query('select 1');
    const before = events.length;
    await database.main
      .query("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'quayside %'")
      .catch(() => {});
    await eventually(async () => (await database.features.query('select 1')).rowCount === 1);
    await eventually(async () => (await database.main.query('select 1')).rowCount === 1);
    expect(database.status()).toBe('up');
    expect(events.slice(before)).toEqual([]);
  });
});
