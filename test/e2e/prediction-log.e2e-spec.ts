import { temporaryDirectory, testDatabase, tiny, eventually, writeModel } from '@app/testing';
import { BlindClients } from './blind-clients';
import { outage } from './log-outage';
import { type LogLine, ServerProcess } from './server-process';

const CANARY = 'canary-4711';

interface ClosedBooks extends LogLine {
  readonly written: number;
  readonly dropped: Readonly<Record<string, number>>;
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0);

describe('the prediction log of the server', () => {
  it('balances its books to the row after PostgreSQL was away under load, and no prediction failed', async () => {
    const { answered, failures, books, rowsInTable, mostQueued } = await outage({
      clients: 4,
      settings: { LOG_PREDICTION_QUEUE_ROWS: '200' },
      until: (load) => {
        const before = load.answered;
        return eventually(() => load.answered > before + 600);
      },
    });
    expect(failures).toEqual([]);
    const { written, dropped, rejected, sampled_out } = books;
    expect(written + sumOf(Object.values(dropped)) + rejected + sampled_out).toBe(answered);
    expect(rowsInTable).toBe(written);
    expect(dropped['queue_full']).toBeGreaterThan(0);
    expect(mostQueued.rows).toBeLessThanOrEqual(200);
  });

  it('has every prediction that was answered until SIGTERM, and nothing plain of a hidden field anywhere', async () => {
    await using here = await testDatabase();
    const models = await temporaryDirectory();
    const manifest = 'log: { fields: { text: hash } }';
    await writeModel(models, { name: 'sentiment', model: tiny.classifierTiny(), manifest });
    await using server = await ServerProcess.start({
      ...{ MODEL_DIR: models, DATABASE_URL: here.url, HTTP_PROCESSES: '2', LOG_LEVEL: 'debug' },
      EXECUTOR_COUNT: '1',
    });
    const url = await server.ready();
    const body = JSON.stringify({ text: CANARY, model_id: 'sentiment' });
    await using load = new BlindClients({ url, path: '/predict', body, clients: 8 });
    await eventually(() => load.answered > 500);
    server.signal('SIGTERM');
    const [exit] = await Promise.all([server.exited, load.stop()]);
    expect(exit).toEqual({ code: 0, signal: null });

    const closed = server.lines.filter(({ event }) => event === 'prediction_log_closed') as ClosedBooks[];
    expect(closed).toHaveLength(2);
    const lost = sumOf(closed.flatMap(({ dropped }) => Object.values(dropped)));
    const inTable = async <T>(sql: string): Promise<T> => {
      const { rows } = await here.database.main.query<Record<string, T>>(sql);
      return Object.values(rows[0] ?? {})[0];
    };
    const answers = server.lines.filter(
      ({ event, route, status }) => event === 'request_completed' && route === '/predict' && status === 200,
    );
    expect(answers.length).toBeGreaterThanOrEqual(load.answered);
    const rows = await inTable<number>(`select count(*)::int from prediction_log where status = 'ok'`);
    expect(rows + lost).toBeGreaterThanOrEqual(answers.length);
    expect(await inTable<number>('select count(*)::int from prediction_log')).toBe(
      sumOf(closed.map(({ written }) => written)),
    );
    const table = await inTable<string>('select json_agg(p) from prediction_log p');
    expect(table).toContain('hmac-sha256:');
    expect([table, JSON.stringify(server.lines), server.complaint].filter((text) => text.includes(CANARY))).toEqual([]);
  });
});
