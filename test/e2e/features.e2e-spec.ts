import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '@app/core';
import { Database } from '@app/database';
import { FeatureReader } from '@app/feature-store';
import { type TestDatabase, eventually, inTimeZone, temporaryDirectory, testDatabase, tiny } from '@app/testing';
import { FEATURE_EXAMPLES } from '../../apps/api/src/openapi/feature-examples';
import { type Answer, DEFAULT_MODELS, Door, type DoorOptions, errorOf, outcome } from './door';

const VIEWS = `
kind: FeatureView
name: people
version: 1
entities: [{ name: person, dtype: STRING }]
max_age: 1d
features: [{ name: age, dtype: INT64 }, { name: mood, dtype: STRING, default: calm, on_stale: serve }]
---
kind: FeatureView
name: people
version: 2
entities: [{ name: person, dtype: STRING }]
max_age: 7d
owner: crew
retention: { online: 30d }
features: [{ name: age, dtype: INT64 }, { name: height, dtype: FP32, pii: mask }]
---
kind: FeatureView
name: visits
version: 1
entities: [{ name: person, dtype: STRING }, { name: shop, dtype: INT64 }]
features: [{ name: count, dtype: INT64 }]
`;

inTimeZone('America/New_York');

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

async function open({ settings, ...others }: DoorOptions = {}): Promise<void> {
  const folder = await temporaryDirectory();
  writeFileSync(join(folder, 'views.yaml'), VIEWS);
  door = await Door.open({
    models: { echo: { ...tiny.identity('FP32'), manifest: 'task: tensors' } },
    settings: { DATABASE_URL: here.url, FEATURE_DIR: folder, FEATURE_READ_TIMEOUT_MS: '200', ...settings },
    ...others,
  });
  await door.server.app.get(Database).whenUp();
}

/** The default install, once its store is filled. */
async function openDefault(): Promise<void> {
  const settings = { DATABASE_URL: here.url, FEATURE_READ_TIMEOUT_MS: '200' };
  door = await Door.open({ models: DEFAULT_MODELS, settings });
  await eventually(async () => (await viewOf('applicant_profile'))['rows'] === 200);
}

const bodyOf = ({ body }: Answer): Record<string, unknown> => body as Record<string, unknown>;
const viewOf = async (view: string) => bodyOf(await door.send(`/v1/feature-views/${view}`));
const query = (body: object) => door.post('/v1/features/query', body);
/** Where so much runs at once, a read may well come too late. */
const queryInTime = (body: object) =>
  eventually(async () => {
    const answer = await query(body);
    return !answer.text.includes('"timeout"') && answer;
  });
const predictInTime = (row: object) =>
  eventually(async () => {
    const answer = await door.post('/v1/models/credit-risk/predict', { rows: [row] });
    return !answer.text.includes('features_unavailable') && answer;
  });
const push = (rows: readonly object[], more: object = {}, view = 'people') =>
  door.post(`/v1/feature-views/${view}/rows`, { rows, ...more });
const ago = (ms: number): string => new Date(Date.now() - ms).toISOString();
const person = (name: unknown, features: object, event_ts: unknown = ago(0)) => ({
  entities: { person: name },
  event_ts,
  features,
});
const erase = (key: string, view = 'people') =>
  door.send(`/v1/feature-views/${view}/entities/${encodeURIComponent(key)}`, { method: 'DELETE' });

interface Queried {
  readonly rows: readonly { readonly features: readonly Record<string, unknown>[]; readonly entity_keys: unknown }[];
}
const featuresOf = (answer: Answer): readonly (readonly Record<string, unknown>[])[] =>
  (answer.body as Queried).rows.map(({ features }) => features);

const DAY_MS = 86_400_000;
const LOAN = {
  duration_months: 18,
  purpose: 'education',
  amount: 1864,
  installment_rate: 4,
  other_debtors: 'none',
  other_installment_plans: 'none',
};

describe('the default install', () => {
  beforeEach(create);
  afterEach(close);

  it('fills its store at first start, predicts by applicant id, and tells where each value came from', async () => {
    await openDefault();
    const row = { applicant_id: 'a-1001', ...LOAN };
    const answer = await predictInTime(row);
    expect(bodyOf(answer)['rows']).toMatchObject([{ label: 'good' }]);
    const id = answer.headers.get('X-Prediction-ID');
    const logged = await eventually(async () => {
      const found = await door.send(`/v1/predictions/${id}`);
      return (
        found.status === 200 && (found.body as { instances: { features: { name: string }[]; entity_keys: string[] }[] })
      );
    });
    const seen = await queryInTime({ model: 'credit-risk', rows: [row] });
    const [columns = []] = featuresOf(seen);
    expect(bodyOf(seen)).toMatchObject({ model: 'credit-risk', model_version: '1' });
    const kept = new Map((logged.instances[0]?.features ?? []).map((feature) => [feature.name, feature]));
    expect(kept.size).toBe(18);
    for (const { refusal, ...column } of columns)
      expect([refusal, column]).toEqual([null, kept.get(String(column['name']))]);
    expect(columns.find(({ name }) => name === 'savings')).toEqual({
      name: 'savings',
      value: '100_to_500',
      status: 'PRESENT',
      reason: null,
      refusal: null,
      source: 'store',
      event_ts: '2026-01-05T08:00:00Z',
      view: 'applicant_profile@1',
      feature: 'savings',
    });
    expect(logged.instances[0]?.entity_keys).toEqual(['applicant_profile:["a-1001"]']);
    const ofOther = await door.send('/v1/predictions?view=applicant_profile&key=a-1002', { method: 'DELETE' });
    const erased = await door.send('/v1/predictions?view=applicant_profile&key=a-1001', { method: 'DELETE' });
    expect([ofOther.body, erased.body]).toEqual([{ erased: 0 }, { erased: 1 }]);
  });

  it('answers queries as the document shows', async () => {
    await openDefault();
    const { features, model } = FEATURE_EXAMPLES.queryFeatures;
    expect((await queryInTime(features.request)).body).toEqual(features.answer);
    const shown = model.answer.rows[0];
    const [seen = []] = featuresOf(await queryInTime(model.request));
    for (const column of shown.features) expect(seen).toContainEqual(column);
    expect(await viewOf('applicant_profile')).toEqual({
      ...FEATURE_EXAMPLES.describeFeatureView.view.answer,
      newest_event_ts: expect.any(String),
      versions: [{ version: 1, content_hash: expect.stringMatching(/^[0-9a-f]{64}$/), models: ['credit-risk@1'] }],
    });
    const version = bodyOf(await door.send('/v1/feature-views/applicant_profile/versions/1'));
    const example = FEATURE_EXAMPLES.describeFeatureViewVersion.version.answer;
    expect(Object.keys(version)).toEqual(Object.keys(example));
    for (const feature of example.features) expect(version['features']).toContainEqual(feature);
    const { request, answer } = FEATURE_EXAMPLES.pushFeatureRows.push;
    expect((await door.post('/v1/feature-views/applicant_profile/rows', request)).body).toEqual(answer);
    expect(bodyOf(await door.send('/v1/feature-views'))).toMatchObject({ object: 'list', data: [{ rows: 201 }] });
    expect((await erase('a-2001', 'applicant_profile')).body).toEqual({ online: 1, history: 1 });
  });

  it('is filled once, whatever number of processes start at once', async () => {
    const options = { models: DEFAULT_MODELS, settings: { DATABASE_URL: here.url } };
    const others = await Promise.all([Door.open(options), Door.open(options)]);
    await openDefault();
    for (const other of others) await other.close();
    const sql =
      'select (select count(*) from feature_push)::int as pushes, (select count(*) from feature_history)::int as rows';
    const { rows } = await here.database.query(here.database.main, sql);
    expect(rows).toEqual([{ pushes: 1, rows: 200 }]);
  });

  it('is not filled where anything was stored, or erased', async () => {
    await openDefault();
    const ids = Array.from({ length: 200 }, (_, at) => `a-${1001 + at}`);
    await Promise.all(ids.map((id) => erase(id, 'applicant_profile')));
    expect(await viewOf('applicant_profile')).toMatchObject({ rows: 0, newest_event_ts: null });
    await door.close();
    door = await Door.open({ models: DEFAULT_MODELS, settings: { DATABASE_URL: here.url } });
    await door.server.app.get(Database).whenUp();
    // Its turn comes after that of whoever fills the store.
    await push([{ entities: { applicant_id: 'a-1' }, event_ts: ago(0), features: {} }], {}, 'applicant_profile');
    expect(await viewOf('applicant_profile')).toMatchObject({ rows: 1 });
  });

  it('obeys the setting FEATURE_FIRST_ROWS: false leaves the store empty', async () => {
    const settings = { DATABASE_URL: here.url, FEATURE_FIRST_ROWS: 'false' };
    door = await Door.open({ models: DEFAULT_MODELS, settings });
    await door.server.app.get(Database).whenUp();
    const row = { entities: { applicant_id: 'a-1' }, event_ts: ago(0), features: {} };
    expect((await push([row], {}, 'applicant_profile')).status).toBe(200);
    expect(await viewOf('applicant_profile')).toMatchObject({ rows: 1 });
    const answer = await predictInTime({ applicant_id: 'a-1001', ...LOAN });
    expect(outcome(answer)).toBe('422 feature_missing');
  });
});

describe('a query', () => {
  beforeEach(create);
  afterEach(close);

  it('shows each of the four statuses, in the order of its rows', async () => {
    await open();
    await push([
      person('fresh', { age: '9007199254740993', mood: null, height: 1.5 }),
      person('old', { age: 30, mood: 'glad' }, ago(2 * DAY_MS)),
    ]);
    const features = ['people@1:age', 'people@1:mood', 'people@2:age', 'people@2:height'];
    const answer = await queryInTime({
      features,
      rows: [{ person: 'nobody' }, { person: 'old' }, { person: 'fresh' }],
      include: ['status'],
    });
    const shown = featuresOf(answer).map((row) => row.map(({ status, value, refusal }) => [status, value, refusal]));
    expect(shown).toEqual([
      [
        ['NOT_FOUND', null, 'feature_missing'],
        ['NOT_FOUND', 'calm', null],
        ['NOT_FOUND', null, 'feature_missing'],
        ['NOT_FOUND', null, 'feature_missing'],
      ],
      [
        ['OUTSIDE_MAX_AGE', null, 'feature_missing'],
        ['OUTSIDE_MAX_AGE', 'glad', null],
        ['PRESENT', '30', null],
        ['NULL_VALUE', null, 'feature_missing'],
      ],
      [
        ['PRESENT', '9007199254740993', null],
        ['NULL_VALUE', 'calm', null],
        ['PRESENT', '9007199254740993', null],
        ['PRESENT', 1.5, null],
      ],
    ]);
    expect(Object.keys(featuresOf(answer)[0]?.[0] ?? {})).toEqual(['name', 'value', 'status', 'reason', 'refusal']);
  });

  it('shows no status for a read that did not come in time, and the default only where the view says so', async () => {
    const slow = { read: () => Promise.resolve({ kind: 'timeout' }) };
    await open({ override: (module) => module.overrideProvider(FeatureReader).useValue(slow) });
    const [row] = featuresOf(await query({ features: ['people@1:age', 'people@1:mood'], rows: [{ person: 'a' }] }));
    const unread = { status: null, reason: 'timeout', refusal: 'features_unavailable', value: null, event_ts: null };
    expect(row).toMatchObject([unread, unread]);
  });

  it('takes the keys of all views that it needs, whole numbers as digits too', async () => {
    await open();
    const visit = { entities: { person: 'ä 🦊', shop: 7 }, event_ts: ago(0), features: { count: '-5' } };
    await push([visit], {}, 'visits');
    const features = ['visits@1:count', 'people@2:age'];
    const answer = await queryInTime({ features, rows: [{ person: 'ä 🦊', shop: '7' }] });
    expect(featuresOf(answer)[0]?.map(({ value, status }) => [value, status])).toEqual([
      ['-5', 'PRESENT'],
      [null, 'NOT_FOUND'],
    ]);
    expect((answer.body as Queried).rows[0]?.entity_keys).toEqual(['["ä 🦊","7"]', '["ä 🦊"]']);
  });

  it('refuses more values than it can answer', async () => {
    await open();
    const features = new Array<string>(101).fill('people@1:age');
    const rows = new Array<object>(1000).fill({ person: 'a' });
    const error = errorOf(await query({ features, rows }));
    expect(error).toMatchObject({ code: 'invalid_input', details: [{ code: 'too_many_values' }] });
    expect((await query({ features: features.slice(1), rows })).status).toBe(200);
  });

  it('refuses to answer with a long text a thousand times', async () => {
    await open();
    await push([person('a', { mood: 'x'.repeat(20_000) })]);
    const ask = (times: number): Promise<Answer> =>
      queryInTime({ features: ['people@1:mood'], rows: new Array<object>(times).fill({ person: 'a' }) });
    expect(errorOf(await ask(1000))).toMatchObject({ code: 'invalid_input', details: [{ code: 'answer_too_large' }] });
    expect((await ask(800)).status).toBe(200);
  });
});

describe('a push', () => {
  beforeEach(create);
  afterEach(close);

  it('writes ten thousand rows, and refuses one more', async () => {
    await open();
    const rows = Array.from({ length: 10_000 }, (_, at) => person(`p${at}`, { age: at }));
    expect(bodyOf(await push(rows))).toMatchObject({ written: 10_000, skipped_older: 0, rejected: [] });
    expect(errorOf(await push([...rows, rows[0]]))).toMatchObject({ details: [{ code: 'too_many_items' }] });
    expect(await viewOf('people')).toMatchObject({ rows: 10_000 });
  });

  it('gives a repeated push_id its first result, and no other view that id', async () => {
    await open();
    const push_id = newId();
    const first = await push([person('a', { age: 1 })], { push_id });
    expect(first.body).toEqual({ push_id, written: 1, skipped_older: 0, rejected: [] });
    expect((await push([person('b', { age: 2 })], { push_id })).body).toEqual(first.body);
    expect(await viewOf('people')).toMatchObject({ rows: 1 });
    const visit = { entities: { person: 'a', shop: 1 }, event_ts: ago(0), features: {} };
    expect(errorOf(await push([visit], { push_id }, 'visits'))).toMatchObject({
      details: [{ code: 'push_id_reused' }],
    });
    expect(errorOf(await push([visit], { push_id: 'x' }, 'visits'))).toMatchObject({ param: 'push_id' });
  });

  it('writes nothing where one row is wrong, and the others where that was asked for', async () => {
    await open();
    const rows = [
      person('a', { age: 1 }),
      person('b', { age: 1.5 }),
      person('c', { age: 1 }, ago(-DAY_MS)),
      person('d', { age: 1 }, '2026-01-01T00:00:00'),
      person('e', { nothing: 1, toString: 2 }),
      person('f\0', { age: 1 }),
      person('x'.repeat(509), { age: 1 }),
      person('g', { mood: 'a\0b' }),
      person('h', { age: 1 }, 5),
      { entities: {}, event_ts: ago(0), features: {} },
    ];
    const refused = await push(rows);
    expect([outcome(refused), errorOf(refused).param]).toEqual(['400 invalid_input', 'rows[1].features.age']);
    expect(await viewOf('people')).toMatchObject({ rows: 0 });
    const { written, rejected } = bodyOf(await push(rows, { mode: 'partial' })) as {
      written: number;
      rejected: { index: number; details: { code: string }[] }[];
    };
    expect(written).toBe(1);
    expect(rejected.map(({ index, details }) => [index, details.map(({ code }) => code).join()])).toEqual([
      [1, 'not_integral'],
      [2, 'future_event'],
      [3, 'timezone_required'],
      [4, 'unknown_feature,unknown_feature'],
      [5, 'nul_character'],
      [6, 'entity_key_too_long'],
      [7, 'nul_character'],
      [8, expect.stringMatching(/./)],
      [9, 'missing_input'],
    ]);
  });
});

describe('an entity', () => {
  beforeEach(create);
  afterEach(close);

  it('is erased with its history, by the text of its key', async () => {
    await open();
    await push([person('a/b "ä"', { age: 1 }, ago(1000))]);
    await push([person('a/b "ä"', { age: 2 })]);
    await push([{ entities: { person: 'a', shop: 7 }, event_ts: ago(0), features: {} }], {}, 'visits');
    expect((await erase('a/b "ä"')).body).toEqual({ online: 1, history: 2 });
    expect((await erase('a/b "ä"')).body).toEqual({ online: 0, history: 0 });
    expect((await erase('["a", "7"]', 'visits')).body).toEqual({ online: 1, history: 1 });
  });

  it('is erased only while the server listens on loopback', async () => {
    await open({ settings: { HTTP_HOST: '0.0.0.0' } });
    expect(errorOf(await erase('a'))).toMatchObject({ code: 'invalid_request', details: [{ code: 'not_loopback' }] });
  });
});

describe('feature views', () => {
  beforeEach(create);
  afterEach(close);

  it('are described with their versions and schemas', async () => {
    await open();
    const { data } = bodyOf(await door.send('/v1/feature-views')) as { data: { name: string; versions: object[] }[] };
    expect(data.map(({ name, versions }) => [name, versions.length])).toEqual([
      ['people', 2],
      ['visits', 1],
    ]);
    const described = bodyOf(await door.send('/v1/feature-views/people/versions/2'));
    expect(described).toMatchObject({
      name: 'people',
      version: 2,
      max_age: '7d',
      retention: { online: '30d', history: null },
      owner: 'crew',
      features: [{ name: 'age' }, { name: 'height', dtype: 'FP32', pii: 'mask', default: null, on_missing: 'error' }],
      models: [],
      rows: 0,
      newest_event_ts: null,
    });
  });
});

describe('refused is', () => {
  beforeAll(async () => {
    await create();
    await open();
  });
  afterAll(close);

  it.each([
    [{ features: ['people@1:age'] }, 'invalid_request', 'rows'],
    [{ rows: [{}] }, 'invalid_request', 'features'],
    [{ rows: [{}], features: ['people@1:age'], model: 'echo' }, 'invalid_request', 'features'],
    [{ rows: [], features: ['people@1:age'] }, 'invalid_request', 'rows'],
    [{ rows: [{}], features: [] }, 'invalid_request', 'features'],
    [{ rows: [{}], features: ['people@1:age'], include: ['all'] }, 'invalid_request', 'include[0]'],
    [{ rows: [{}], features: ['age'] }, 'invalid_input', 'features[0]'],
    [{ rows: [{}], features: ['people@1:nothing'] }, 'invalid_input', 'features[0]'],
    [{ rows: [{}], features: ['people@1:toString'] }, 'invalid_input', 'features[0]'],
    [{ rows: [{}], features: ['people@1:age'] }, 'invalid_input', 'rows[0].person'],
    [{ rows: [{ person: 'a', shop: 1 }], features: ['people@1:age'] }, 'invalid_input', 'rows[0]'],
    [{ rows: [{ person: 'a\0' }], features: ['people@1:age'] }, 'invalid_input', 'rows[0].person'],
    [{ rows: [{ person: 'x'.repeat(509) }], features: ['people@1:age'] }, 'invalid_input', 'rows[0]'],
    [{ rows: [{ person: null }], features: ['people@1:age'] }, 'invalid_input', 'rows[0].person'],
    [{ rows: [{}], model: 'echo' }, 'invalid_input', 'model'],
    [{ rows: [{}], features: ['people:age'] }, 'feature_view_version_not_found', null],
    [{ rows: [{}], features: ['people@9:age'] }, 'feature_view_version_not_found', null],
    [{ rows: [{}], features: ['toString@1:age'] }, 'feature_view_not_found', null],
    [{ rows: [{}], model: 'nobody' }, 'model_not_found', null],
  ])('a query of %j', async (body, code, param) => {
    expect(errorOf(await query(body))).toMatchObject({ code, param });
  });

  it.each([
    ['{"rows": [{"entities": {"__proto__": 1}, "event_ts": "", "features": {}}]}', '400 forbidden_key'],
    ['{"rows": []}', '400 invalid_request'],
    ['{"rows": [{"entities": {}, "features": {}}]}', '400 invalid_request'],
    ['{"rows": [{"entities": {}, "event_ts": 1, "features": []}]}', '400 invalid_request'],
    ['{"rows": [{"entities": {}, "event_ts": 1, "features": {}}], "mode": "some"}', '400 invalid_request'],
  ])('a push of %s', async (body, expected) => {
    expect(outcome(await door.post('/v1/feature-views/people/rows', body))).toBe(expected);
  });

  it.each([
    ['a\0', '400 invalid_input'],
    ['x'.repeat(509), '400 invalid_input'],
    ['["a"', '400 invalid_input'],
    ['["a", "b"]', '400 invalid_input'],
  ])('erasing the key %j', async (key, expected) => {
    expect(outcome(await erase(key))).toBe(expected);
  });

  it.each([
    ['/v1/feature-views/nobody', 'feature_view_not_found'],
    ['/v1/feature-views/constructor', 'feature_view_not_found'],
    ['/v1/feature-views/a%00', 'feature_view_not_found'],
    ['/v1/feature-views/nobody/versions/1', 'feature_view_not_found'],
    ['/v1/feature-views/people/versions/3', 'feature_view_version_not_found'],
    ['/v1/feature-views/people/versions/latest', 'feature_view_version_not_found'],
    ['/v1/feature-views/people/versions/1e0', 'feature_view_version_not_found'],
  ])('%s, which is not found', async (path, code) => {
    expect(errorOf(await door.send(path)).code).toBe(code);
  });
});

describe('without a database', () => {
  beforeEach(create);
  afterEach(close);

  it('everything about stored features is refused at once, and nothing else', async () => {
    const folder = await temporaryDirectory();
    writeFileSync(join(folder, 'views.yaml'), VIEWS);
    const settings = { DATABASE_URL: 'postgres://127.0.0.1:1/none', FEATURE_DIR: folder };
    door = await Door.open({ models: { echo: { ...tiny.identity('FP32'), manifest: 'task: tensors' } }, settings });
    const answers = await Promise.all([
      query({ features: ['people@1:age'], rows: [{ person: 'a' }] }),
      push([person('a', { age: 1 })]),
      erase('a'),
      door.send('/v1/feature-views'),
      door.send('/v1/feature-views/people'),
      door.send('/v1/feature-views/people/versions/1'),
    ]);
    expect(answers.map(outcome)).toEqual(new Array(6).fill('503 database_unavailable'));
    expect(answers.every(({ headers }) => headers.has('retry-after-ms'))).toBe(true);
    expect((await door.post('/v1/models/echo/predict', { rows: [{ x: [1] }] })).status).toBe(200);
  });
});
