import { type CallContext, type JsonRecord, SystemClock } from '@app/core';
import type { Queryable } from '@app/database';
import {
  BoundFeatureStore,
  type Enriched,
  type FeatureViews,
  PostgresFeatureReader,
  PostgresFeatureViewStore,
} from '@app/feature-store';
import type { ModelVersion } from '@app/model-registry';
import { FakeModelRegistry, type TestDatabase, aBoundVersion, featureViews, testDatabase } from '@app/testing';

const clock = new SystemClock();
const AT = '2026-01-01T00:00:00Z';
const NAMES = ['users', 'shops', 'cards'] as const;
const FEATURES = [
  { name: 'count', dtype: 'INT64', default: 0 },
  { name: 'amount', dtype: 'FP32', default: 0, on_timeout: 'defaults' },
  { name: 'country', dtype: 'STRING' },
];

function view(name: string, more: object = {}): object {
  return { name, version: 1, entities: [{ name: 'id', dtype: 'INT64' }], features: FEATURES, ...more };
}

/** One column of each view. */
const BOUND = aBoundVersion(
  {
    ...Object.fromEntries(NAMES.map((name) => [name, { takes: 'FP32', from: `feature:${name}@1:amount` }])),
    text: { takes: 'BYTES', from: 'feature:users@1:country', onMissing: 'error' },
  },
  { id: 'id' },
);
const ONE_AMOUNT = aBoundVersion({ x: { takes: 'FP32', from: 'feature:users@1:amount' } }, { id: 'id' });

let shared: TestDatabase;
beforeEach(async () => {
  shared = await testDatabase();
});
afterEach(() => shared.close());

interface Process {
  readonly store: PostgresFeatureViewStore;
  /** How many statements its reads have sent. */
  statements(): number;
  enrich(version: ModelVersion, ...rows: readonly JsonRecord[]): Promise<Enriched>;
}

/** A process with views of its own on the test's database. */
function processWith(views: FeatureViews, readTimeoutMs = 10_000): Process {
  let sent = 0;
  const pool: Queryable = {
    query: (text, params) => {
      sent++;
      // Not that of features, whose limits a busy machine may exceed.
      return shared.database.main.query(text, params);
    },
  };
  const reader = new PostgresFeatureReader({ pool, views, clock, readTimeoutMs });
  const bound = new BoundFeatureStore(new FakeModelRegistry(clock), { views, reader, clock, readTimeoutMs });
  const { signal } = new AbortController();
  const context: CallContext = { requestId: 'r', traceparent: '', deadlineAtMs: Infinity, signal };
  return {
    store: new PostgresFeatureViewStore({ database: shared.database, views, clock }),
    statements: () => sent,
    enrich: (version, ...rows) => bound.enrich(version, rows, context),
  };
}

const rowsOf = (ids: readonly number[], features: (id: number) => JsonRecord) =>
  ids.map((id) => ({ entities: { id }, event_ts: AT, features: features(id) }));

describe('stored features from PostgreSQL', () => {
  it('come with exactly one statement for three views and a hundred entities', async () => {
    const { enrich, statements, store } = processWith(featureViews(...NAMES.map((name) => view(name))));
    const ids = Array.from({ length: 100 }, (_, id) => id);
    for (const [at, name] of NAMES.entries()) {
      const rows = rowsOf(ids, (id) => ({ amount: id + at / 10, country: `c${id}` }));
      await store.push(name, { rows, mode: 'all_or_nothing' });
    }
    const { rows, degraded } = await enrich(BOUND, ...ids.map((id) => ({ id })));
    expect(statements()).toBe(1);
    expect(degraded).toBe(false);
    const expected = ids.map((id) => ({
      users: Math.fround(id),
      shops: Math.fround(id + 0.1),
      cards: Math.fround(id + 0.2),
      text: `c${id}`,
    }));
    expect(rows).toMatchObject(expected);
  });

  it('come with few statements for two hundred requests at once, to each its own', async () => {
    const { enrich, statements, store } = processWith(featureViews(...NAMES.map((name) => view(name))));
    const ids = Array.from({ length: 200 }, (_, id) => id);
    for (const name of NAMES) {
      const rows = rowsOf(ids, (id) => ({ amount: id, country: `c${id}` }));
      await store.push(name, { rows, mode: 'all_or_nothing' });
    }
    const answers = await Promise.all(ids.map((id) => enrich(id % 2 === 0 ? ONE_AMOUNT : BOUND, { id })));
    expect(statements()).toBeLessThanOrEqual(10);
    expect(answers.map(({ degraded }) => degraded)).toEqual(ids.map(() => false));
    const expected = ids.map((id) => [id % 2 === 0 ? { x: id } : { users: id, shops: id, cards: id, text: `c${id}` }]);
    expect(answers.map(({ rows }) => rows)).toMatchObject(expected);
  });

  it('stay byte-equal for a model that pins a version, when a new version comes and the old one is refused a change', async () => {
    const first = processWith(featureViews(view('users')));
    await first.store.push('users', { rows: rowsOf([1], () => ({ amount: 0.1 })), mode: 'all_or_nothing' });
    const before = JSON.stringify(bare(await first.enrich(ONE_AMOUNT, { id: 1 })));

    const next = view('users', { version: 2, max_age: '1d', features: [...FEATURES, { name: 'more', dtype: 'FP64' }] });
    const second = processWith(featureViews(view('users'), next));
    expect((await second.store.apply()).changes.map(({ kind }) => kind)).toEqual(['unchanged', 'create']);
    expect(JSON.stringify(bare(await second.enrich(ONE_AMOUNT, { id: 1 })))).toBe(before);

    const changed = processWith(featureViews(view('users', { max_age: '1d' })));
    expect((await changed.store.apply()).isRefused).toBe(true);
    expect(JSON.stringify(bare(await first.enrich(ONE_AMOUNT, { id: 1 })))).toBe(before);
  });

  it('are the same bytes whatever the order of request fields, pushed columns and the view’s features', async () => {
    const values = { count: '9007199254740993', amount: 0.1, country: 'ü' };
    const backwards = Object.fromEntries(Object.entries(values).toReversed());
    const answers: string[] = [];
    for (const [features, order] of [
      [values, FEATURES],
      [backwards, FEATURES.toReversed()],
    ] as const) {
      const own = processWith(featureViews(...NAMES.map((name) => view(name, { features: order }))));
      for (const name of NAMES) {
        await own.store.push(name, { rows: rowsOf([7], () => features), mode: 'all_or_nothing' });
      }
      const { rows } = await own.enrich(BOUND, { id: answers.length === 0 ? 7 : '7' });
      answers.push(
        JSON.stringify(
          rows.map((row) =>
            Object.keys(row)
              .sort()
              .map((key) => [key, row[key]])
              .filter(([key]) => key !== 'id'),
          ),
        ),
      );
    }
    expect(answers[1]).toBe(answers[0]);
  });

  it('are defaults, or a refusal, while the database does not answer, and show no status', async () => {
    const { enrich, store } = processWith(featureViews(...NAMES.map((name) => view(name))), 20);
    await store.apply();
    await shared.database.transaction(shared.database.main, async (tx) => {
      await tx.query('lock table feature_online in access exclusive mode');
      const { degraded, provenance } = await enrich(ONE_AMOUNT, { id: 1 });
      expect(degraded).toBe(true);
      expect(provenance?.[0]?.features).toMatchObject([{ source: 'default', status: null, reason: 'timeout' }]);
      await expect(enrich(BOUND, { id: 1 })).rejects.toMatchObject({ code: 'features_unavailable' });
    });
  });
});

/** Without what tells of the moment of the read. */
function bare({ rows, provenance, degraded }: Enriched): unknown {
  return {
    rows,
    degraded,
    values: provenance?.map(({ features }) => features.map(({ value, status }) => [value, status])),
  };
}
