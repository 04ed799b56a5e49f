import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type JsonRecord, SystemClock, encodeTimestamp } from '@app/core';
import { Database } from '@app/database';
import { FeatureViewStore } from '@app/feature-store';
import { Executor } from '@app/inference';
import { ModelRegistry, type ModelVersion } from '@app/model-registry';
import {
  FakeExecutor,
  FakeModelRegistry,
  type TestDatabase,
  aBoundVersion,
  eventually,
  inTimeZone,
  temporaryDirectory,
  testDatabase,
} from '@app/testing';
import type { ModelDetail } from '../../apps/api/src/models/model-statistics.dto';
import { type Answer, DEFAULT_MODELS, Door, errorOf, outcome } from './door';

const VIEWS = `
kind: FeatureView
name: people
version: 1
entities: [{ name: person, dtype: STRING }]
features:
  - { name: age, dtype: FP32 }
  - { name: income, dtype: FP32, default: 1, on_timeout: defaults }
---
kind: FeatureView
name: moods
version: 1
entities: [{ name: person, dtype: STRING }]
max_age: 1h
features: [{ name: joy, dtype: FP32, on_stale: serve, default: 2, on_timeout: defaults }]
---
kind: FeatureView
name: visits
version: 1
entities: [{ name: person, dtype: STRING }, { name: shop, dtype: INT64 }]
features: [{ name: count, dtype: INT64, default: 3, on_timeout: defaults }]
`;

const ENTITIES = { person: 'person', shop: 'shop' };
const DEGRADABLE = {
  income: { takes: 'FP32', from: 'feature:people@1:income' },
  joy: { takes: 'FP32', from: 'feature:moods@1:joy' },
  count: { takes: 'INT64', from: 'feature:visits@1:count' },
} as const;
const bound = (): ModelVersion => ({
  ...aBoundVersion({ age: { takes: 'FP32', from: 'feature:people@1:age' }, ...DEGRADABLE }, ENTITIES),
  model: 'bound',
});

inTimeZone('Asia/Kathmandu');

let here: TestDatabase;
let door: Door;

beforeEach(async () => {
  here = await testDatabase();
});
afterEach(async () => {
  await door.close();
  await here.close();
});

/** A door whose models are made up and whose features are in PostgreSQL. */
async function open(...versions: readonly ModelVersion[]): Promise<void> {
  const features = await temporaryDirectory();
  writeFileSync(join(features, 'views.yaml'), VIEWS);
  const registry = new FakeModelRegistry();
  for (const version of versions) registry.add(version);
  door = await Door.open({
    settings: { DATABASE_URL: here.url, FEATURE_DIR: features, FEATURE_READ_TIMEOUT_MS: '200' },
    override: (module) =>
      module.overrideProvider(Executor).useValue(new FakeExecutor()).overrideProvider(ModelRegistry).useValue(registry),
  });
  await door.server.app.get(Database).whenUp();
}

const now = (): string => encodeTimestamp(BigInt(new SystemClock().epochMs()) * 1000n);

async function push(view: string, entities: JsonRecord, features: JsonRecord, event_ts = now()): Promise<void> {
  const rows = [{ entities, event_ts, features }];
  await door.server.app.get(FeatureViewStore).push(view, { rows, mode: 'all_or_nothing' });
}

const predict = (model: string, ...rows: readonly JsonRecord[]) => door.post(`/v1/models/${model}/predict`, { rows });

/** An answer for which everything could be read: a busy machine may need longer than a read may take. */
const ask = (model: string, ...rows: readonly JsonRecord[]): Promise<Answer> =>
  eventually(async () => {
    const answer = await predict(model, ...rows);
    return answer.status !== 503 && !answer.headers.has('x-features-degraded') && answer;
  });

/** What the log has of the columns of a call's first row, by name. */
async function loggedFeatures(answer: Answer): Promise<Readonly<Record<string, JsonRecord>>> {
  const found = await eventually(async () => {
    const { status, body } = await door.send(`/v1/predictions/${answer.headers.get('x-prediction-id')}`);
    return status === 200 && (body as { readonly instances: readonly { readonly features: readonly JsonRecord[] }[] });
  });
  return Object.fromEntries((found.instances[0]?.features ?? []).map(({ name, ...feature }) => [name, feature]));
}

describe('stored features in PostgreSQL', () => {
  it('show each status in the log, with the view and the moment of what was found', async () => {
    await open(bound());
    await push('people', { person: 'a' }, { age: 33 });
    await push('moods', { person: 'a' }, { joy: 0.1 }, '2026-01-01T00:00:00Z');
    const answer = await ask('bound', { person: 'a', shop: '7' });
    expect(outcome(answer)).toBe('200');
    const { body } = await door.send('/v1/models/bound');
    const [{ features }] = (body as ModelDetail).statistics.versions;
    expect(features).toMatchObject({
      sources: { request: 0, const: 0 },
      statuses: { OUTSIDE_MAX_AGE: 1, NULL_VALUE: 1 },
    });
    expect(await loggedFeatures(answer)).toMatchObject({
      age: { value: 33, source: 'store', status: 'PRESENT', view: 'people@1' },
      income: { value: 1, source: 'default', status: 'NULL_VALUE', view: 'people@1' },
      joy: { value: Math.fround(0.1), source: 'store', status: 'OUTSIDE_MAX_AGE', view: 'moods@1' },
      count: { value: '3', source: 'default', status: 'NOT_FOUND', view: 'visits@1' },
    });
  });

  it('are refused or stood in for while PostgreSQL holds reads up, and then show no status', async () => {
    const degradable = { ...aBoundVersion(DEGRADABLE, ENTITIES), model: 'degradable' };
    await open(bound(), degradable);
    await push('people', { person: 'a' }, { age: 33, income: 5 });
    const session = await here.database.main.open();
    await session.query('begin');
    await session.query('lock table feature_online in access exclusive mode');
    const row = { person: 'a', shop: 1 };
    const refused = await predict('bound', row);
    expect(outcome(refused)).toBe('503 features_unavailable');
    const degraded = await predict('degradable', row);
    expect([outcome(degraded), degraded.headers.get('x-features-degraded')]).toEqual(['200', 'true']);
    await session.query('rollback');
    session.release();
    expect(await loggedFeatures(degraded)).toMatchObject({
      income: { value: 1, source: 'default', status: null, reason: 'timeout' },
      joy: { value: 2, source: 'default', status: null, reason: 'timeout' },
      count: { value: '3', source: 'default', status: null, reason: 'timeout' },
    });
    await eventually(async () => outcome(await predict('bound', row)) === '200');
  });

  it('are read by one statement, over three views and a hundred rows', async () => {
    await open(bound());
    const persons = Array.from({ length: 100 }, (_, at) => `p${at}`);
    const store = door.server.app.get(FeatureViewStore);
    const event_ts = now();
    const rows = persons.map((person, at) => ({ entities: { person }, event_ts, features: { age: at } }));
    await store.push('people', { rows, mode: 'all_or_nothing' });
    await ask('bound', { person: 'p0', shop: 1 });
    const asked = jest.spyOn(door.server.app.get(Database).features, 'query');
    const answer = await predict('bound', ...persons.map((person) => ({ person, shop: 1 })));
    expect(outcome(answer)).toBe('200');
    expect(asked).toHaveBeenCalledTimes(1);
    expect((answer.body as { readonly rows: readonly unknown[] }).rows).toEqual(persons.map((_, value) => ({ value })));
  });

  it('give a model the same tensors, however fields, features and pushes are ordered', async () => {
    await open(bound());
    await push('people', { person: 'a' }, { age: 33, income: 5 });
    const first = await ask('bound', { person: 'a', shop: 1 });
    expect(first.headers.get('x-cache')).toBe('miss');
    await push('people', { person: 'a' }, { income: 5, age: 33 });
    const again = await ask('bound', { shop: '1', person: 'a' });
    // The key of a kept answer is made of the bytes of the tensors.
    expect(again.headers.get('x-cache')).toBe('hit');
    await push('people', { person: 'a' }, { age: 34, income: 5 });
    expect((await ask('bound', { person: 'a', shop: 1 })).headers.get('x-cache')).toBe('miss');
  });
});

interface Golden {
  readonly applicant_id?: string;
  readonly inputs: JsonRecord;
}

describe('credit-risk', () => {
  const lines = (file: string): string[] =>
    readFileSync(join(DEFAULT_MODELS, 'credit-risk', file), 'utf8')
      .trim()
      .split('\n');
  const goldens = lines('golden.jsonl').map((line) => JSON.parse(line) as Golden);
  const [head = [], ...applicants] = lines('applicants.csv').map((line) => line.split(','));

  it('answers by the id of an applicant as it does for all columns', async () => {
    door = await Door.open({
      models: DEFAULT_MODELS,
      settings: { DATABASE_URL: here.url, FEATURE_READ_TIMEOUT_MS: '200' },
    });
    await door.server.app.get(Database).whenUp();
    const names = head.slice(2);
    const rows = applicants.map(([applicant_id, event_ts, ...values]) => ({
      entities: { applicant_id },
      event_ts,
      features: Object.fromEntries(
        names.map((name, at) => [name, /^\d+$/.test(values[at] ?? '') ? Number(values[at]) : values[at]]),
      ),
    }));
    await door.server.app.get(FeatureViewStore).push('applicant_profile', { rows, mode: 'all_or_nothing' });
    const known = goldens.filter(({ applicant_id }) => applicant_id !== undefined);
    expect(known.length).toBeGreaterThan(0);
    const whole = await predict('credit-risk', ...known.map(({ inputs }) => inputs));
    const asked = known.map(({ applicant_id, inputs }) => ({
      applicant_id,
      ...Object.fromEntries(Object.entries(inputs).filter(([name]) => !names.includes(name))),
    }));
    const byId = await ask('credit-risk', ...asked);
    expect([outcome(whole), outcome(byId)]).toEqual(['200', '200']);
    const answered = ({ body }: Answer) => (body as { readonly rows: unknown }).rows;
    expect(answered(byId)).toEqual(answered(whole));
    expect(errorOf(await ask('credit-risk', { ...asked[0], applicant_id: 'nobody' }))).toMatchObject({
      code: 'feature_missing',
    });
    const given = await ask('credit-risk', { ...asked[0], age: 90 });
    const sources = Object.values(await loggedFeatures(given)).map(({ source }) => source);
    expect(sources.filter((source) => source === 'store')).toHaveLength(11);
  });
});
