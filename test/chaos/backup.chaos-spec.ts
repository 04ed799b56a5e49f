import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, temporaryDirectory } from '@app/testing';
import { ApiClient, DEFAULT_MODELS } from '../e2e/door';
import { postmasterOf } from '../e2e/processes';
import { ServerProcess } from '../e2e/server-process';

jest.setTimeout(180_000);

/** As docs/database.md asks for it: the client of the server's own version. */
const hasClient = majorOf('pg_dump') >= 18 && majorOf('psql') >= 18;
const LOAN = { amount: 2500, duration_months: 12, purpose: 'car_used', installment_rate: 2, applicant_id: 'a-1001' };
const ROWS = { rows: [{ ...LOAN, other_debtors: 'none', other_installment_plans: 'none' }] };

function majorOf(program: string): number {
  try {
    return Number(/(\d+)\./.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[1]);
  } catch {
    return 0;
  }
}

/** A client of PostgreSQL against the cluster in a data folder, while its server runs. */
function client(program: string, data: string, args: readonly string[]): string {
  const PGPASSWORD = readFileSync(join(data, 'postgres/cluster/quayside.password'), 'utf8').trim();
  // The third line of the postmaster's file on is about where it listens; the fifth is the folder of its socket.
  const socket = readFileSync(join(data, 'postgres/cluster/postmaster.pid'), 'utf8').split('\n')[4] ?? '';
  const env = { ...process.env, PGPASSWORD };
  return execFileSync(program, ['-h', socket, '-U', 'quayside', ...args], { env, encoding: 'utf8' });
}

/** Models with stored columns and all that they need. */
async function modelsFolder(): Promise<string> {
  const folder = await temporaryDirectory();
  cpSync(join(DEFAULT_MODELS, 'credit-risk'), join(folder, 'credit-risk'), { recursive: true });
  return folder;
}

/** A server with a PostgreSQL of its own, which is up. */
async function started(data: string, models: string) {
  const settings = { MODEL_DIR: models, DATA_DIR: data, DATABASE_URL: '', EXECUTOR_COUNT: '1' };
  const server = await ServerProcess.start(settings);
  const api = new ApiClient(await server.ready());
  await eventually(async () => expect(await rowsOf(api)).toBe(200));
  const stop = async (): Promise<void> => {
    server.signal('SIGTERM');
    await server.exited;
    expect(postmasterOf(data)).toBeUndefined();
  };
  return { server, api, stop, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function rowsOf(api: ApiClient): Promise<unknown> {
  const { body } = await api.send('/v1/feature-views/applicant_profile');
  return (body as { readonly rows?: unknown }).rows;
}

async function logged(api: ApiClient, id: string): Promise<string> {
  return eventually(async () => {
    const { status, text } = await api.send(`/v1/predictions/${id}`);
    return status === 200 && text;
  });
}

(hasClient ? describe : describe.skip)('a backup by pg_dump', () => {
  it('that is loaded into a new cluster in the place of its schema has every prediction and every row', async () => {
    const [models, data, later] = await Promise.all([modelsFolder(), temporaryDirectory(), temporaryDirectory()]);
    await using first = await started(data, models);
    const answer = await first.api.post('/v1/models/credit-risk/predict', ROWS);
    const id = answer.headers.get('x-prediction-id') ?? '';
    const told = await logged(first.api, id);
    // A partition of a day of which the new cluster has none.
    const sql =
      "create table quayside.prediction_log_20200101 partition of quayside.prediction_log for values from ('2020-01-01') to ('2020-01-02')";
    client('psql', data, ['-c', sql]);
    const dump = join(await temporaryDirectory(), 'quayside.sql');
    client('pg_dump', data, ['--schema=quayside', '-f', dump]);
    await first.stop();

    const second = await started(later, models);
    client('psql', later, [
      '-v',
      'ON_ERROR_STOP=1',
      '--single-transaction',
      '-c',
      'drop schema quayside cascade',
      '-f',
      dump,
    ]);
    await second.stop();
    await using third = await started(later, models);
    expect(await logged(third.api, id)).toBe(told);
    const again = await third.api.post('/v1/models/credit-risk/predict', ROWS);
    expect((again.body as { rows: unknown }).rows).toEqual((answer.body as { rows: unknown }).rows);
    await logged(third.api, again.headers.get('x-prediction-id') ?? '');
    await third.stop();
  });
});
