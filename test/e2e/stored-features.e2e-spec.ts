import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SystemClock } from '@app/core';
import { FeatureReader, FeatureStore, FeatureViews } from '@app/feature-store';
import { Executor } from '@app/inference';
import { ModelRegistry } from '@app/model-registry';
import {
  FakeExecutor,
  FakeFeatureReader,
  FakeFeatureRows,
  FakeFeatureStore,
  FakeFeatureViewStore,
  FakeModelRegistry,
  aBoundVersion,
  featureViews,
  temporaryDirectory,
  tiny,
} from '@app/testing';
import type { TestingModuleBuilder } from '@nestjs/testing';
import { Ajv2020 } from 'ajv/dist/2020';
import { Door, errorOf, outcome } from './door';

const PEOPLE = `
kind: FeatureView
name: people
version: 1
entities: [{ name: person, dtype: STRING }]
features: [{ name: age, dtype: FP32, default: 7, on_timeout: defaults }]
`;

const MANIFEST = `
entities: { person: request.person_id }
tabular:
  columns:
    - { name: rooms, from: "feature:people@1:age", override: request }
    - area
`;

const AGE = { takes: 'FP32', from: 'feature:people@1:age' } as const;
const views = featureViews({
  name: 'people',
  version: 1,
  entities: [{ name: 'person', dtype: 'STRING' }],
  features: [{ name: 'age', dtype: 'FP32' }],
});

describe('a model with stored columns, over HTTP', () => {
  it('binds to the views of FEATURE_DIR, which need no database', async () => {
    const features = await temporaryDirectory();
    writeFileSync(join(features, 'people.yaml'), PEOPLE);
    await using door = await Door.open({
      models: { price: { ...tiny.regressorTiny(), manifest: MANIFEST } },
      settings: { FEATURE_DIR: features, FEATURE_READ_TIMEOUT_MS: '10' },
    });
    const given = await door.post('/v1/models/price/predict', { rows: [{ rooms: 7, area: 1 }] });
    expect(outcome(given)).toBe('200');
    expect(given.headers.has('x-features-degraded')).toBe(false);
    const looked = await door.post('/v1/models/price/predict', { rows: [{ person_id: 'a', area: 1 }] });
    expect(looked.headers.get('x-features-degraded')).toBe('true');
    expect(looked.body).toMatchObject({ rows: (given.body as { rows: unknown }).rows });
  });

  it('is described as it takes rows', async () => {
    const features = await temporaryDirectory();
    writeFileSync(join(features, 'people.yaml'), PEOPLE);
    await using door = await Door.open({
      models: { price: { ...tiny.regressorTiny(), manifest: MANIFEST } },
      settings: { FEATURE_DIR: features },
    });
    const { body } = await door.send('/v1/models/price/schema');
    const { schemas } = body as { readonly schemas: { readonly row: { readonly examples: readonly unknown[] } } };
    const { row } = schemas;
    const accepts = new Ajv2020({ strict: false }).compile(row);
    expect(row.examples).toEqual([{ person_id: 'text', area: 0 }]);
    for (const taken of [...row.examples, { rooms: 1, area: 1 }, { person_id: 'a', rooms: 1, area: 1 }]) {
      expect([taken, accepts(taken)]).toEqual([taken, true]);
      expect(outcome(await door.post('/v1/models/price/predict', { rows: [taken] }))).toBe('200');
    }
    for (const refused of [
      { area: 1 },
      { person_id: 'a' },
      { person_id: 1, area: 1 },
      { rooms: 1, area: 1, more: 1 },
    ]) {
      expect([refused, accepts(refused)]).toEqual([refused, false]);
      expect(outcome(await door.post('/v1/models/price/predict', { rows: [refused] }))).toBe('400 invalid_input');
    }
  });

  it('does not serve where a view is not there, and says so', async () => {
    await using door = await Door.open({
      models: { price: { ...tiny.regressorTiny(), manifest: MANIFEST } },
      settings: { FEATURE_DIR: await temporaryDirectory() },
    });
    const answer = await door.post('/v1/models/price/predict', { rows: [{ rooms: 7, area: 1 }] });
    expect(outcome(answer)).toBe('503 model_unavailable');
    const reason = 'The bindings of price@1 have 1 fault: column "rooms": there is no feature view "people"';
    expect((await door.send('/v1/models/price')).body).toMatchObject({ reason: expect.stringContaining(reason) });
  });
});

describe('what a test swaps', () => {
  const rows = new FakeFeatureRows();
  const reader = new FakeFeatureReader(views, rows);
  const row = { person_id: 'a' };

  /** A door without models of its own, whose features are stored in memory. */
  const open = (override: (module: TestingModuleBuilder) => TestingModuleBuilder): Promise<Door> =>
    Door.open({
      override: (module) =>
        override(module)
          .overrideProvider(Executor)
          .useValue(new FakeExecutor())
          .overrideProvider(FeatureViews)
          .useValue(views)
          .overrideProvider(FeatureReader)
          .useValue(reader),
    });
  const ask = (door: Door, given: object = row) => door.post('/v1/models/bound/predict', { rows: [given] });

  beforeAll(async () => {
    const writer = new FakeFeatureViewStore(views, new SystemClock(), rows);
    const event_ts = '2026-01-01T00:00:00Z';
    const pushed = [{ entities: { person: 'a' }, event_ts, features: { age: 33 } }];
    await writer.push('people', { rows: pushed, mode: 'all_or_nothing' });
  });

  it('is the registry alone, and the feature store then joins by the schema of that one', async () => {
    const one = new FakeModelRegistry();
    one.add(aBoundVersion({ x: AGE }, { person: 'person_id' }));
    await using door = await open((module) => module.overrideProvider(ModelRegistry).useValue(one));
    expect((await ask(door)).body).toMatchObject({ rows: [{ value: 33 }] });

    const other = new FakeModelRegistry();
    other.add(aBoundVersion({ x: { takes: 'FP32', from: 'request.person_id' } }));
    await using swapped = await open((module) => module.overrideProvider(ModelRegistry).useValue(other));
    expect((await ask(swapped, { person_id: 4 })).body).toMatchObject({ rows: [{ value: 4 }] });
  });

  it('is the feature store, in one line', async () => {
    const registry = new FakeModelRegistry();
    registry.add(aBoundVersion({ x: AGE }, { person: 'person_id' }));
    const store = new FakeFeatureStore(() => ({ x: 5 }), registry);
    await using door = await open((module) =>
      module.overrideProvider(ModelRegistry).useValue(registry).overrideProvider(FeatureStore).useValue(store),
    );
    expect((await ask(door)).body).toMatchObject({ rows: [{ value: 5 }] });
  });

  it('is refused in the tensors form where a request may not give what is stored', async () => {
    const registry = new FakeModelRegistry();
    registry.add(aBoundVersion({ x: AGE }, { person: 'person_id' }));
    await using door = await open((module) => module.overrideProvider(ModelRegistry).useValue(registry));
    const answer = await door.post('/v1/models/bound/predict', { inputs: { x: [[1]] } });
    expect(errorOf(answer)).toMatchObject({
      code: 'invalid_input',
      details: [{ field: 'inputs', code: 'rows_required' }],
    });
  });
});
