import { newId } from '@app/core';
import { Database } from '@app/database';
import { type TestDatabase, eventually, inTimeZone, testDatabase, tiny } from '@app/testing';
import { PREDICTION_EXAMPLES } from '../../apps/api/src/openapi/prediction-examples';
import { type Answer, DEFAULT_MODELS, Door, type DoorOptions, errorOf, outcome } from './door';

interface Instance {
  readonly index: number;
  readonly inputs: unknown;
  readonly outputs: unknown;
  readonly flags: readonly string[];
  readonly entity_keys: readonly string[];
  readonly [key: string]: unknown;
}

interface Logged {
  readonly id: string;
  readonly instances: readonly Instance[];
  readonly [key: string]: unknown;
}

inTimeZone('Asia/Kathmandu');

let here: TestDatabase;
let door: Door;

/** For each test of a `describe`, or once for all of them. */
const [create, close] = [
  async () => void (here = await testDatabase()),
  async () => {
    await door.close();
    await here.close();
  },
];

async function open(options: DoorOptions = {}): Promise<void> {
  const { settings, ...others } = options;
  door = await Door.open({
    models: { echo: { ...tiny.identity('FP32'), manifest: 'task: tensors' } },
    settings: { DATABASE_URL: here.url, ...settings },
    ...others,
  });
  if (settings?.['DATABASE_URL'] === undefined) await door.server.app.get(Database).whenUp();
}

const ECHO = '/v1/models/echo/predict';
const rows = (...values: readonly number[]) => ({ rows: values.map((value) => ({ x: [value] })) });
const idOf = ({ headers }: Answer): string => headers.get('X-Prediction-ID') ?? '';

/** The prediction of an answer, once it is in the log. */
const logged = (answer: Answer): Promise<Logged> =>
  eventually(async () => {
    const { status, body } = await door.send(`/v1/predictions/${idOf(answer)}`);
    return status === 200 && (body as Logged);
  });

const list = async (query: string) =>
  (await door.send(`/v1/predictions?${query}`)).body as { data: readonly Instance[]; next_cursor: string | null };

const books = async () => (await door.send('/v1/prediction-log')).body as Record<string, number>;

describe('the predictions of the doors', () => {
  beforeEach(create);
  afterEach(close);

  it('can be read by the id of the answer, with all that belongs to them', async () => {
    await open({ models: DEFAULT_MODELS });
    const answer = await door.post(
      '/predict',
      { text: 'where is my card?', model_id: 'banking-intents', top_k: 2 },
      { 'X-Request-ID': 'request-7' },
    );
    const found = await logged(answer);
    expect(found).toMatchObject({
      id: idOf(answer),
      model: 'banking-intents',
      model_version: '1',
      door: 'predict',
      status: 'ok',
      request_id: 'request-7',
      trace_id: answer.headers.get('X-Trace-ID'),
      cache: 'miss',
      batch_size: 1,
    });
    const [{ predictions }] = [answer.body as { predictions: { label: string; score: number }[] }];
    const [best] = predictions;
    expect(found.instances).toMatchObject([
      {
        index: 0,
        inputs: { text: 'where is my card?' },
        outputs: { predictions: [{ label: best?.label }, {}] },
        prediction: { label: best?.label, score: best?.score },
      },
    ]);
    expect(Object.keys(found)).toEqual(Object.keys(PREDICTION_EXAMPLES.describePrediction.lineage.answer));
    const [shown] = PREDICTION_EXAMPLES.describePrediction.lineage.answer.instances;
    expect(Object.keys(found.instances[0])).toEqual(Object.keys(shown));
    const { data } = await list('model=banking-intents');
    expect(Object.keys(data[0])).toEqual(Object.keys(PREDICTION_EXAMPLES.listPredictions.page.answer.data[0]));
    expect(Object.keys(await books())).toEqual(Object.keys(PREDICTION_EXAMPLES.describePredictionLog.books.answer));
  });

  it('have a row for each row, also of those that were kept from before', async () => {
    await open();
    const [first, second] = [await door.post(ECHO, rows(1, 2, 3)), await door.post(ECHO, rows(1, 2, 3))];
    const found = await Promise.all([logged(first), logged(second)]);
    expect(found.map(({ cache, instances }) => [cache, instances.map(({ index }) => index)])).toEqual([
      ['miss', [0, 1, 2]],
      ['hit', [0, 1, 2]],
    ]);
    expect(found[1]?.instances[2]).toMatchObject({ inputs: { x: [3] }, outputs: { y: [3] } });
    const tensors = await logged(await door.post(ECHO, { inputs: { x: [[4], [5]] } }));
    expect(tensors.instances[1]).toMatchObject({ inputs: { x: [[5]] }, outputs: { y: [5] }, flags: ['tensors'] });
    expect(await books()).toMatchObject({ written: 8, rejected: 0, sampled_out: 0 });
  });

  it('are there when they failed, under the id that the error carries', async () => {
    await open();
    const refused = await door.post(ECHO, { rows: [{ x: ['secret'] }] });
    expect(outcome(refused)).toBe('400 invalid_input');
    const found = await logged(refused);
    expect(found).toMatchObject({ status: 'error', error_code: 'invalid_input', cache: null });
    expect(found.instances).toMatchObject([{ index: 0, inputs: null, outputs: null }]);
    const nowhere = await door.post('/v1/models/nobody/predict', rows(1));
    expect(nowhere.headers.has('X-Prediction-ID')).toBe(false);
  });

  it('are listed from the newest on, page by page, and by model, version and time', async () => {
    await open();
    const ids: string[] = [];
    for (const value of [1, 2, 3]) ids.push(idOf(await door.post(ECHO, rows(value))));
    await eventually(async () => (await list('model=echo')).data.length === 3);
    const first = await list('model=echo&version=1&limit=2');
    const second = await list(`model=echo&version=1&limit=2&cursor=${first.next_cursor}`);
    expect([...first.data, ...second.data].map(({ id }) => id)).toEqual(ids.toReversed());
    expect(second.next_cursor).toBeNull();
    expect((await list('from=2999-01-01T00:00:00Z')).data).toEqual([]);
    expect((await list('to=2999-01-01T00:00:00%2B01:00&model=nobody')).data).toEqual([]);
  });

  it('are gone when they were erased', async () => {
    await open();
    const answer = await door.post(ECHO, rows(1, 2));
    await logged(answer);
    const path = `/v1/predictions/${idOf(answer)}`;
    const erased = await door.send(path, { method: 'DELETE' });
    expect([erased.status, erased.body]).toEqual([200, { erased: 2 }]);
    expect(outcome(await door.send(path))).toBe('404 prediction_not_found');
    expect(outcome(await door.send(path, { method: 'DELETE' }))).toBe('404 prediction_not_found');
    expect(outcome(await door.send('/v1/predictions/no-id'))).toBe('404 prediction_not_found');
  });

  it('are erased only while the server listens on loopback', async () => {
    await open({ settings: { HTTP_HOST: '0.0.0.0' } });
    for (const path of [`/v1/predictions/${newId()}`, '/v1/predictions?view=a&key=b']) {
      const answer = await door.send(path, { method: 'DELETE' });
      expect(errorOf(answer)).toMatchObject({ code: 'invalid_request', details: [{ code: 'not_loopback' }] });
    }
  });

  it('keep nothing plain of a hidden field, and nothing at all of a model that says so', async () => {
    const log = 'log: { fields: { x: hash } }\n';
    const model = tiny.identity('FP32');
    await open({
      models: {
        hashes: { ...model, manifest: `task: tensors\n${log}` },
        silent: { ...model, manifest: 'task: tensors\nlog: { payload: none }\n' },
        half: { ...model, manifest: 'task: tensors\nlog: { sampling_rate: 0 }\n' },
      },
    });
    const hashed = await logged(await door.post('/v1/models/hashes/predict', rows(4711)));
    expect(JSON.stringify(hashed.instances[0]?.inputs)).toMatch(/^\{"x":"hmac-sha256:[0-9a-f]{64}"\}$/);
    const silent = await logged(await door.post('/v1/models/silent/predict', rows(4711)));
    expect(silent.instances).toMatchObject([{ inputs: null, outputs: null, features: [] }]);
    await door.post('/v1/models/half/predict', rows(1, 2));
    const failed = await logged(await door.post('/v1/models/half/predict', { rows: [{ x: ['a'] }] }));
    expect(failed.instances).toMatchObject([{ sampling_rate: 1 }]);
    expect(await books()).toMatchObject({ written: 3, sampled_out: 2 });
  });
});

describe('predictions', () => {
  beforeAll(async () => {
    await create();
    await open();
  });
  afterAll(close);

  it.each([
    ['limit=0', 'limit'],
    ['limit=501', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['from=yesterday', 'from'],
    ['to=2026-11-24T10:00:00', 'to'],
    ['cursor=x', 'cursor'],
    ['model=', 'model'],
    ['modell=echo', 'modell'],
  ])('are not listed by ?%s', async (query, field) => {
    const answer = await door.send(`/v1/predictions?${query}`);
    expect([outcome(answer), errorOf(answer).param]).toEqual(['400 invalid_request', field]);
  });
});

describe('settings of the prediction log are obeyed:', () => {
  beforeEach(create);
  afterEach(close);

  it('LOG_PREDICTIONS', async () => {
    await open({ settings: { LOG_PREDICTIONS: 'false' } });
    await door.post(ECHO, rows(1));
    expect(await books()).toMatchObject({ written: 0, dropped: { off: 1 }, queue: { rows: 0 } });
  });

  it('LOG_PREDICTION_PAYLOAD', async () => {
    await open({ settings: { LOG_PREDICTION_PAYLOAD: 'outputs' } });
    const found = await logged(await door.post(ECHO, rows(1)));
    expect(found.instances).toMatchObject([{ inputs: null, outputs: { y: [1] } }]);
  });

  it('LOG_PREDICTION_QUEUE_ROWS, of which the last tenth is for failures', async () => {
    await open({
      settings: { LOG_PREDICTION_QUEUE_ROWS: '10', DATABASE_URL: 'postgres://127.0.0.1:1/none' },
    });
    for (let each = 0; each < 12; each += 1) await door.post(ECHO, rows(each));
    await door.post(ECHO, { rows: [{ x: ['a'] }] });
    expect(await books()).toMatchObject({ dropped: { queue_full: 3 }, queue: { rows: 10 } });
  });

  it('LOG_PREDICTION_QUEUE_BYTES', async () => {
    await open({ settings: { LOG_PREDICTION_QUEUE_BYTES: '65536', DATABASE_URL: 'postgres://127.0.0.1:1/none' } });
    await door.post(ECHO, { rows: [{ x: new Array<number>(5000).fill(0.123456789) }] });
    expect(await books()).toMatchObject({ dropped: { queue_full: 1 }, queue: { rows: 0 } });
  });

  it('LOG_PREDICTION_HASH_KEY', async () => {
    const models = { echo: { ...tiny.identity('FP32'), manifest: 'task: tensors\nlog: { fields: { x: hash } }' } };
    await open({ models, settings: { LOG_PREDICTION_HASH_KEY: 'sixteen letters!' } });
    const first = await logged(await door.post(ECHO, rows(1)));
    await door.close();
    await open({ models, settings: { LOG_PREDICTION_HASH_KEY: 'sixteen letters!' } });
    const second = await logged(await door.post(ECHO, rows(1)));
    expect(second.instances[0]?.inputs).toEqual(first.instances[0]?.inputs);
  });

  it('LOG_PREDICTION_RETENTION_DAYS', async () => {
    await here.database.query(here.database.main, 'create table prediction_log_20200102 (like prediction_log)');
    await open({ settings: { LOG_PREDICTION_RETENTION_DAYS: '10000' } });
    const partitions = async (): Promise<readonly string[]> => {
      const sql = "select relname::text as name from pg_class where relname ~ '^prediction_log_[0-9]{8}$' order by 1";
      const { rows: found } = await here.database.query<{ name: string }>(here.database.main, sql);
      return found.map(({ name }) => name);
    };
    await eventually(async () => (await partitions()).length === 9);
    await door.close();
    await open({ settings: { LOG_PREDICTION_RETENTION_DAYS: '1' } });
    await eventually(async () => (await partitions()).length === 8);
    expect(await partitions()).not.toContain('prediction_log_20200102');
  });
});
