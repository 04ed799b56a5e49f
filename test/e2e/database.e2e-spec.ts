import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { ApiClient, DEFAULT_MODELS, outcome } from './door';
import { childrenOf, isAlive, postgresProcesses } from './processes';
import { ServerProcess } from './server-process';

// Each test starts several processes, and PostgreSQL makes a cluster in most of them.
jest.setTimeout(180_000);

const MODEL = '/v1/models/adder/predict';
const ROWS = { inputs: { x: [[1]] } };
/** Empty counts as unset: with a PostgreSQL of its own. */
const OWN = { DATABASE_URL: '', EXECUTOR_COUNT: '1' };

let models: string;
beforeAll(async () => {
  models = await temporaryDirectory();
  await writeModel(models, { name: 'adder', model: tiny.adds(1) });
  cpSync(join(DEFAULT_MODELS, 'credit-risk'), join(models, 'credit-risk'), { recursive: true });
});

interface Started extends AsyncDisposable {
  readonly server: ServerProcess;
  readonly api: ApiClient;
  readonly postmaster: number;
}

/** A server that is ready and whose PostgreSQL is up. */
async function started(settings: Readonly<Record<string, string>> = {}): Promise<Started> {
  const server = await ServerProcess.start({ HTTP_PROCESSES: '1', MODEL_DIR: models, ...OWN, ...settings });
  const api = new ApiClient(await server.ready());
  await eventually(async () => expect(await database(api)).toEqual({ status: 'up', reason: '' }));
  const { postmaster } = server;
  if (postmaster === undefined) throw new Error('No PostgreSQL runs.');
  return { server, api, postmaster, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** What the probe tells of PostgreSQL. */
async function database(api: ApiClient): Promise<unknown> {
  const { body } = await api.send('/ready');
  return (body as { readonly components: { readonly database?: unknown } }).components.database;
}

/** Stops processes until they are thawed: at the latest when the test ends, or nothing could stop them in order. */
function freeze(pids: readonly number[]): Disposable & { thaw(): void } {
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  let isFrozen = true;
  const thaw = (): void => {
    if (isFrozen) for (const pid of pids) process.kill(pid, 'SIGCONT');
    isFrozen = false;
  };
  return { thaw, [Symbol.dispose]: thaw };
}

const textOf = (directory: string, file: string): string => readFileSync(join(directory, file), 'utf8').trim();

/** The last events of a server, with the number of the process that tells. */
const lastEvents = ({ lines }: ServerProcess, count: number): readonly unknown[] =>
  lines.slice(-count).map(({ event, proc }) => `${String(event)} ${String(proc)}`);

describe('the PostgreSQL of a server', () => {
  it('is stopped last', async () => {
    await using here = await started();
    here.server.signal('SIGTERM');
    expect(await here.server.exited).toEqual({ code: 0, signal: null });
    expect(lastEvents(here.server, 3)).toEqual(['shutdown_complete 1', 'postgres_stopped 0', 'shutdown_complete 0']);
    expect(isAlive(here.postmaster)).toBe(false);
  });

  it('is stopped last by a plain process too', async () => {
    await using here = await started({ HTTP_PROCESSES: '0' });
    here.server.signal('SIGTERM');
    expect(await here.server.exited).toEqual({ code: 0, signal: null });
    expect(lastEvents(here.server, 2)).toEqual(['shutdown_complete 1', 'postgres_stopped 1']);
    expect(isAlive(here.postmaster)).toBe(false);
  });

  it('does not hear Ctrl-C: the server stops it', async () => {
    await using here = await started();
    here.server.signalGroup('SIGINT');
    expect(await here.server.exited).toEqual({ code: 0, signal: null });
    expect(here.server.lines.map(({ event }) => event)).not.toContain('postgres_lost');
    expect(lastEvents(here.server, 2)).toEqual(['postgres_stopped 0', 'shutdown_complete 0']);
  });

  it('lives on when all of the server is killed, and is taken over by the next start', async () => {
    const data = { DATA_DIR: join(await temporaryDirectory(), 'data') };
    await using killed = await started(data);
    killed.server.signalGroup('SIGKILL');
    await killed.server.exited;
    expect(isAlive(killed.postmaster)).toBe(true);
    await using next = await started(data);
    expect(next.postmaster).toBe(killed.postmaster);
    expect(next.server.lines.map(({ event }) => event)).toContain('postgres_adopted');
    next.server.signal('SIGTERM');
    expect(await next.server.exited).toEqual({ code: 0, signal: null });
    expect(isAlive(next.postmaster)).toBe(false);
  });

  it('is left to a second server in the same folder, and stopped by that one', async () => {
    const data = { DATA_DIR: join(await temporaryDirectory(), 'data') };
    await using first = await started(data);
    await using second = await started(data);
    first.server.signal('SIGTERM');
    expect(await first.server.exited).toEqual({ code: 0, signal: null });
    expect(lastEvents(first.server, 2)).toEqual(['postgres_left_running 0', 'shutdown_complete 0']);
    expect(await database(second.api)).toEqual({ status: 'up', reason: '' });
    second.server.signal('SIGTERM');
    expect(await second.server.exited).toEqual({ code: 0, signal: null });
    expect(isAlive(second.postmaster)).toBe(false);
  });

  it('of another major version keeps the server from starting, and it says what to do', async () => {
    const data = join(await temporaryDirectory(), 'data');
    mkdirSync(join(data, 'postgres/cluster'), { recursive: true });
    writeFileSync(join(data, 'postgres/cluster/PG_VERSION'), '16\n');
    await using server = await ServerProcess.start({ HTTP_PROCESSES: '1', ...OWN, DATA_DIR: data });
    expect(await server.exited).toEqual({ code: 1, signal: null });
    expect(server.complaint).toMatch(/^Quayside cannot start\. The database in .* was made by PostgreSQL 16/);
    expect(server.complaint).not.toMatch(/\n\s+at /);
  });
});

describe('a server whose PostgreSQL', () => {
  const degraded = { status: 'degraded', reason: expect.stringContaining('PostgreSQL') as string };

  /** It serves what needs no database, and says what is the matter. */
  async function serves(api: ApiClient): Promise<void> {
    await eventually(async () => expect(await database(api)).toEqual(degraded));
    const [live, ready] = await Promise.all(['/health', '/ready'].map((path) => api.send(path)));
    expect([live?.status, ready?.status]).toEqual([200, 200]);
    expect(ready?.body).toMatchObject({ status: 'degraded' });
    expect(outcome(await api.post(MODEL, ROWS))).toBe('200');
  }

  /** A prediction of features that nobody has stored, which has ten seconds: much more than their read. */
  async function enriched({ api }: Started): Promise<string> {
    const given = { amount: 1, duration_months: 18, purpose: 'education', installment_rate: 4 };
    const rows = [{ ...given, applicant_id: 'x', other_debtors: 'none', other_installment_plans: 'none' }];
    return outcome(await api.post('/v1/models/credit-risk/predict', { rows }, { 'X-Request-Timeout-Ms': '10000' }));
  }

  it('is frozen goes on, refuses what needs it, and finds it again', async () => {
    await using here = await started();
    await eventually(async () => expect(await enriched(here)).toBe('422 feature_missing'));
    using frozen = freeze(postgresProcesses(here.postmaster));
    // Both before the server has noticed, by the limit of the read, and after that.
    expect(await enriched(here)).toBe('503 features_unavailable');
    await serves(here.api);
    expect(await enriched(here)).toBe('503 features_unavailable');
    const refused = await here.api.send('/v1/predictions');
    expect([outcome(refused), refused.headers.get('retry-after')]).toEqual([
      '503 database_unavailable',
      expect.any(String),
    ]);
    frozen.thaw();
    await eventually(async () => expect(await database(here.api)).toEqual({ status: 'up', reason: '' }));
    expect(outcome(await here.api.send('/v1/predictions'))).toBe('200');
    await eventually(async () => expect(await enriched(here)).toBe('422 feature_missing'));
  });

  it('is killed starts it again, and writes no secret into any log of either', async () => {
    const data = join(await temporaryDirectory(), 'data');
    await using here = await started({ DATA_DIR: data, LOG_LEVEL: 'debug' });
    process.kill(here.postmaster, 'SIGKILL');
    await here.server.logged('postgres_started', { times: 2 });
    await eventually(async () => expect(await database(here.api)).toEqual({ status: 'up', reason: '' }));
    expect(outcome(await here.api.post(MODEL, ROWS))).toBe('200');
    const secrets = ['postgres/cluster/quayside.password', 'prediction-log.key'].map((file) => textOf(data, file));
    expect(secrets.map((secret) => secret.length)).toEqual([43, 64]);
    const days = readdirSync(join(data, 'postgres/cluster/log')).map((file) => `postgres/cluster/log/${file}`);
    const logs = ['postgres/start.log', ...days].map((file) => textOf(data, file));
    const written = [JSON.stringify(here.server.lines), here.server.complaint, ...logs];
    expect(written.filter((text) => secrets.some((secret) => text.includes(secret)))).toEqual([]);
  });

  it('does not answer becomes ready, and shows its password and the key of hashes to nobody', async () => {
    const DATABASE_URL = 'postgres://somebody:hunter2@127.0.0.1:1/somewhere';
    const settings = { HTTP_PROCESSES: '1', MODEL_DIR: models, EXECUTOR_COUNT: '1', LOG_LEVEL: 'debug' };
    const LOG_PREDICTION_HASH_KEY = 'hunter2 and hunter2';
    await using server = await ServerProcess.start({ ...settings, DATABASE_URL, LOG_PREDICTION_HASH_KEY });
    const api = new ApiClient(await server.ready());
    await serves(api);
    const refused = await api.send('/v1/predictions');
    expect(outcome(refused)).toBe('503 database_unavailable');
    const [http = 0] = server.httpProcesses;
    const executors = childrenOf(http, 'executor');
    expect(executors.length).toBeGreaterThan(0);
    const environments = executors.map((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8'));
    expect(environments.filter((text) => /DATABASE_URL|hunter2/.test(text))).toEqual([]);
    expect(JSON.stringify(server.lines) + server.complaint + refused.text).not.toContain('hunter2');
    expect(server.postmaster).toBeUndefined();
  });
});

describe('DATABASE_URL', () => {
  it('that is none leaves nothing of PostgreSQL', async () => {
    await using server = await ServerProcess.start({ HTTP_PROCESSES: '1', MODEL_DIR: models, DATABASE_URL: 'none' });
    const api = new ApiClient(await server.ready());
    expect(await database(api)).toBeUndefined();
    expect((await api.send('/ready')).body).toMatchObject({ status: 'ready' });
    expect(outcome(await api.send('/v1/predictions'))).toBe('503 database_unavailable');
  });

  it('that is no URL of a PostgreSQL is refused without being shown', async () => {
    await using server = await ServerProcess.start({ DATABASE_URL: 'mysql://somebody:hunter2@somewhere' });
    expect(await server.exited).toEqual({ code: 1, signal: null });
    expect(server.complaint).toMatch(/DATABASE_URL must be a URL that begins with postgres:\/\/ .*, or none\./);
    expect(server.complaint).not.toContain('hunter2');
  });
});
