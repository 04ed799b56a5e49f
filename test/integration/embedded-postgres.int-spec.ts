import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedPostgresFault, embeddedUrl } from '@app/database';
import { eventually, temporaryDirectory } from '@app/testing';
import { Client } from 'pg';
import { EmbeddedCluster } from './embedded-cluster';

const isRoot = process.getuid?.() === 0;

/** The rows of a statement, by a client of its own. */
async function ask(directory: string, sql: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: embeddedUrl(directory) });
  await client.connect();
  return (await client.query(sql).finally(() => client.end())).rows as readonly unknown[];
}

const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
const modeOf = (path: string): number => statSync(path).mode & 0o777;
/** The user of a process, as /proc shows it. */
const userOf = (pid: number): number => statSync(`/proc/${pid}`).uid;

describe('a cluster', () => {
  it('is made behind a password, on a socket for its owner alone, with its place in the command line', async () => {
    await using cluster = await EmbeddedCluster.start();
    const { directory } = cluster;
    const root = join(directory, 'postgres');
    expect(commandOf(await cluster.pid())).toContain(`-D ${join(root, 'cluster')} `);
    expect([modeOf(join(root, 'cluster')), modeOf(join(root, 'socket'))]).toEqual([0o700, 0o700]);
    expect(modeOf(join(root, 'cluster', 'quayside.password'))).toBe(0o600);
    const sql = `select current_setting('listen_addresses') as addresses, current_setting('data_checksums') as checksums,
      current_setting('synchronous_commit') as commits, current_setting('TimeZone') as zone,
      current_setting('max_connections') as connections, pg_encoding_to_char(encoding) as encoding, datcollate as locale
      from pg_database where datname = current_database()`;
    expect(await ask(directory, sql)).toEqual([
      {
        addresses: '',
        checksums: 'on',
        commits: 'on',
        zone: 'UTC',
        connections: '200',
        encoding: 'UTF8',
        locale: 'C',
      },
    ]);
    const stranger = embeddedUrl(directory).replace(/password=[^&]+/, 'password=guess');
    await expect(new Client({ connectionString: stranger }).connect()).rejects.toMatchObject({ code: '28P01' });
    await cluster.stop();
    expect(cluster.events).toEqual(['postgres_initialising', 'postgres_started', 'postgres_stopped']);
    expect(await cluster.keeper.pid()).toBeUndefined();
  });

  it('finds its libraries although no install script has linked them', async () => {
    await using cluster = await EmbeddedCluster.start();
    const [version = ''] = readdirSync(join(cluster.directory, 'postgres', 'binaries'));
    const home = join(cluster.directory, 'postgres', 'binaries', version);
    const libraries = readdirSync(join(home, 'lib'), { withFileTypes: true });
    expect(libraries.filter((entry) => entry.isSymbolicLink()).length).toBeGreaterThan(5);
    expect(readFileSync(`/proc/${await cluster.pid()}/maps`, 'utf8')).toContain(join(home, 'lib'));
  });

  it('keeps what was committed over a stop, and in a copy of its folder that was made meanwhile', async () => {
    await using first = await EmbeddedCluster.start();
    await ask(first.directory, 'create table kept as select 1 as one');
    await first.stop();
    const elsewhere = await temporaryDirectory();
    mkdirSync(join(elsewhere, 'postgres'));
    // As docs/database.md says.
    execFileSync('cp', ['-a', join(first.directory, 'postgres/cluster'), join(elsewhere, 'postgres')]);
    await using second = await EmbeddedCluster.start(first.directory);
    expect(await ask(first.directory, 'select one from kept')).toEqual([{ one: 1 }]);
    expect(second.events).toEqual(['postgres_started']);
    await using copied = await EmbeddedCluster.start(elsewhere);
    expect(await ask(elsewhere, 'select one from kept')).toEqual([{ one: 1 }]);
    expect(copied.events).toEqual(['postgres_started']);
  });

  it('in a folder with a long path has its socket elsewhere', async () => {
    const directory = join(await temporaryDirectory(), 'a'.repeat(100), 'with, comma');
    mkdirSync(directory, { recursive: true });
    await using cluster = await EmbeddedCluster.start(directory);
    const [{ place } = { place: '' }] = (await ask(
      directory,
      "select current_setting('unix_socket_directories') as place",
    )) as readonly { place: string }[];
    expect(place).toMatch(/^"?\/tmp\/quayside-[0-9a-f]{16}"?$/);
    await cluster.stop();
  });
});

(isRoot ? describe : describe.skip)('root', () => {
  it('runs it as another user where that one can reach the folder, and as the same one at the next start', async () => {
    const directory = await temporaryDirectory();
    chmodSync(directory, 0o755);
    await using cluster = await EmbeddedCluster.start(directory);
    const user = userOf(await cluster.pid());
    const paths = ['cluster', 'cluster/base', 'cluster/quayside.password', 'socket'];
    const owners = paths.map((path) => statSync(join(directory, 'postgres', path)).uid);
    expect([user > 0, owners]).toEqual([true, paths.map(() => user)]);
    await cluster.stop();
    await using again = await EmbeddedCluster.start(directory);
    expect(userOf(await again.pid())).toBe(user);
  });

  it('runs it in a user namespace where nobody else can', async () => {
    const directory = await temporaryDirectory();
    chmodSync(directory, 0o700);
    await using cluster = await EmbeddedCluster.start(directory);
    expect(readFileSync(`/proc/${await cluster.pid()}/uid_map`, 'utf8').trim()).toMatch(/^1000\s+0\s+1$/);
    expect(await ask(directory, 'select 1 as one')).toEqual([{ one: 1 }]);
  });
});

describe('a plain user', () => {
  const script = join(__dirname, 'keeper-of-a-cluster.cjs');
  const NOBODY = 65_534;

  /** Runs the script as one: this process's user, or, where that is root, nobody, or root who seems to be somebody else. */
  function asPlainUser(directory: string): unknown {
    const node = (options: object) =>
      spawnSync(process.execPath, [script, directory], { encoding: 'utf8', ...options });
    const canReach = isRoot && spawnSync(process.execPath, ['--check', script], { uid: NOBODY, cwd: '/' }).status === 0;
    if (canReach) chownSync(directory, NOBODY, NOBODY);
    const namespace = ['--user', '--map-user=1000', '--map-group=1000', process.execPath, script, directory];
    const run = !isRoot
      ? node({})
      : canReach
        ? node({ uid: NOBODY, gid: NOBODY })
        : spawnSync('unshare', namespace, { encoding: 'utf8' });
    return JSON.parse(run.stdout || JSON.stringify(run.stderr));
  }

  it('runs it as itself, and again on what was made', async () => {
    const directory = await temporaryDirectory();
    const made = ['postgres_initialising', 'postgres_started', 'postgres_stopped'];
    const uid = expect.any(Number) as number;
    const first = asPlainUser(directory);
    expect(first).toEqual({ uid, before: 0, events: made });
    expect(first).not.toMatchObject({ uid: 0 });
    expect(asPlainUser(directory)).toEqual({ uid, before: 1, events: made.slice(1) });
  });
});

describe('a cluster that runs already', () => {
  it('is taken over, and stopped by the last who leaves', async () => {
    await using first = await EmbeddedCluster.start();
    await using second = await EmbeddedCluster.start(first.directory);
    expect(second.events).toEqual(['postgres_adopted']);
    await first.stop();
    expect(first.events.at(-1)).toBe('postgres_left_running');
    expect(await ask(first.directory, 'select 1 as one')).toEqual([{ one: 1 }]);
    await second.stop();
    expect(second.events.at(-1)).toBe('postgres_stopped');
    expect(await second.keeper.pid()).toBeUndefined();
  });

  it('is stopped once by keepers that leave at the same moment', async () => {
    await using first = await EmbeddedCluster.start();
    await using second = await EmbeddedCluster.start(first.directory);
    await Promise.all([first.stop(), second.stop()]);
    expect([first, second].map(({ events }) => events.at(-1)).sort()).toEqual([
      'postgres_left_running',
      'postgres_stopped',
    ]);
    expect(await first.keeper.pid()).toBeUndefined();
  });

  it('was made by one of two that came at once', async () => {
    const directory = await temporaryDirectory();
    await using first = await EmbeddedCluster.in(directory);
    await using second = await EmbeddedCluster.in(directory);
    await Promise.all([first.keeper.start(), second.keeper.start()]);
    expect(await ask(directory, 'select 1 as one')).toEqual([{ one: 1 }]);
    await Promise.all([first.stop(), second.stop()]);
  });
});

describe('what is in the way', () => {
  it('is told: the cluster of another PostgreSQL', async () => {
    await using cluster = await EmbeddedCluster.start();
    await cluster.stop();
    writeFileSync(join(cluster.directory, 'postgres', 'cluster', 'PG_VERSION'), '16\n');
    await using later = await EmbeddedCluster.in(cluster.directory);
    const fault: unknown = await later.keeper.start().catch((thrown: unknown) => thrown);
    expect(fault).toBeInstanceOf(EmbeddedPostgresFault);
    expect((fault as Error).message).toMatch(/was made by PostgreSQL 16, .* brings PostgreSQL 18/);
  });

  it('is told: a folder that is no cluster', async () => {
    const directory = await temporaryDirectory();
    mkdirSync(join(directory, 'postgres', 'cluster'), { recursive: true });
    await using cluster = await EmbeddedCluster.in(directory);
    await expect(cluster.keeper.start()).rejects.toThrow(/no database of PostgreSQL/);
  });

  it('is told: a folder whose PG_VERSION is empty', async () => {
    const directory = await temporaryDirectory();
    mkdirSync(join(directory, 'postgres', 'cluster'), { recursive: true });
    writeFileSync(join(directory, 'postgres', 'cluster', 'PG_VERSION'), '');
    await using cluster = await EmbeddedCluster.in(directory);
    await expect(cluster.keeper.start()).rejects.toThrow(/no database of PostgreSQL/);
  });

  it('is told: where a PostgreSQL that ends when it is started says why', async () => {
    await using cluster = await EmbeddedCluster.start();
    await cluster.stop();
    rmSync(join(cluster.directory, 'postgres', 'cluster', 'pg_hba.conf'));
    await using later = await EmbeddedCluster.in(cluster.directory);
    const starting = later.keeper.start();
    const log = join(cluster.directory, 'postgres', 'cluster', 'log');
    await eventually(() => later.reasons.some((reason) => reason.includes(`the newest file in ${log} says why`)));
    await later.keeper.stop();
    await starting;
  });

  it('does not stay for ever: a postmaster.pid of one that was killed', async () => {
    await using killed = await EmbeddedCluster.start();
    await killed.keeper.leave();
    await killed.signal('SIGKILL');
    await using later = await EmbeddedCluster.start(killed.directory);
    expect(await ask(later.directory, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('does not stay for ever: what a killed process left of a cluster that it made', async () => {
    const directory = await temporaryDirectory();
    const gone = Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }));
    const remains = join(directory, 'postgres', `cluster.new-${gone}-0`);
    mkdirSync(remains, { recursive: true });
    await using cluster = await EmbeddedCluster.start(directory);
    await eventually(() =>
      expect(readdirSync(join(cluster.directory, 'postgres'))).not.toContain(`cluster.new-${gone}-0`),
    );
  });
});
