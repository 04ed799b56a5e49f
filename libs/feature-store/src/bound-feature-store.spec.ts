import { type CallContext, type JsonRecord, QuaysideError, parseModelReference } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import {
  type ColumnToMake,
  FakeFeatureReader,
  FakeFeatureRows,
  FakeFeatureViewStore,
  FakeModelRegistry,
  ManualClock,
  aBoundVersion,
  aModelVersion,
  featureViews,
} from '@app/testing';
import { BoundFeatureStore, type BoundFeatureStoreParts } from './bound-feature-store';

const VIEWS = featureViews(
  {
    name: 'people',
    version: 1,
    entities: [{ name: 'person', dtype: 'INT64' }],
    max_age: '1d',
    features: [
      { name: 'age', dtype: 'INT64' },
      { name: 'income', dtype: 'FP64', default: 0, on_timeout: 'defaults' },
      { name: 'country', dtype: 'STRING' },
      { name: 'joined', dtype: 'TIMESTAMP' },
      { name: 'score', dtype: 'FP32', on_stale: 'serve' },
    ],
  },
  {
    name: 'pairs',
    version: 2,
    entities: [
      { name: 'shop', dtype: 'STRING' },
      { name: 'person', dtype: 'INT64' },
    ],
    features: [{ name: 'visits', dtype: 'INT32', default: 0 }],
  },
);

const PERSON = { person: 'person_id' };
const FROM = (feature: string): string => `feature:people@1:${feature}`;

interface Setting {
  readonly clock: ManualClock;
  readonly reader: FakeFeatureReader;
  readonly store: BoundFeatureStore;
  push(view: string, rows: readonly JsonRecord[], eventTs?: string): Promise<void>;
  enrich(version: ModelVersion, ...rows: readonly JsonRecord[]): ReturnType<BoundFeatureStore['enrich']>;
}

const NOW = '2026-01-02T00:00:00Z';
const NOW_MS = Date.UTC(2026, 0, 2);

function setUp(context: Partial<CallContext> = {}, more: Partial<BoundFeatureStoreParts> = {}): Setting {
  const clock = new ManualClock(NOW_MS);
  const rows = new FakeFeatureRows();
  const reader = new FakeFeatureReader(VIEWS, rows);
  const writer = new FakeFeatureViewStore(VIEWS, clock, rows);
  const parts = { views: VIEWS, reader, clock, readTimeoutMs: 50, ...more };
  const store = new BoundFeatureStore(new FakeModelRegistry(clock), parts);
  const { signal } = new AbortController();
  const call: CallContext = { requestId: 'r', traceparent: '', deadlineAtMs: Infinity, signal, ...context };
  return {
    clock,
    reader,
    store,
    push: async (view, values, eventTs = NOW) => {
      const entities = ({ person, shop }: JsonRecord): JsonRecord => ({ person, ...(shop !== undefined && { shop }) });
      const pushed = values.map(({ person, shop, ...features }) => ({
        entities: entities({ person, shop }),
        event_ts: eventTs,
        features,
      }));
      const { written } = await writer.push(view, { rows: pushed, mode: 'all_or_nothing' });
      expect(written).toBe(values.length);
    },
    enrich: (version, ...given) => store.enrich(version, given, call),
  };
}

const one = (settings: ColumnToMake, entities: Readonly<Record<string, string>> = PERSON): ModelVersion =>
  aBoundVersion({ x: settings }, entities);

describe(BoundFeatureStore.name, () => {
  it('gives the rows of a model without bindings back as they are, and reads nothing', async () => {
    const { enrich, store, reader } = setUp();
    const rows = [{ x: [1] }];
    const version = aModelVersion({ model: 'plain' });
    const enriched = await store.enrich(version, rows, {} as CallContext);
    expect(enriched.rows).toBe(rows);
    expect(enriched).toEqual({ rows, degraded: false });
    await enrich(one({ takes: 'FP32', dtype: 'FP64' }, {}), { x: 1 });
    expect(reader.reads).toEqual([]);
  });

  it('joins columns from all sources, and tells of each where it came from', async () => {
    const { enrich, push } = setUp();
    await push('people', [
      { person: 42, age: 30, income: 1e3, country: 'CH', joined: '2026-01-01T23:59:00Z', score: 0.1 },
    ]);
    const version = aBoundVersion(
      {
        amount: { takes: 'FP32', dtype: 'FP64' },
        plain: { takes: 'FP32' },
        renamed: { takes: 'INT64', from: 'request.other' },
        given: { takes: 'INT64', from: FROM('age'), override: 'request' },
        age: { takes: 'FP32', from: FROM('age') },
        country: { takes: 'BYTES', from: FROM('country') },
        score: { takes: 'FP32', from: FROM('score') },
        per_year: { takes: 'FP64', from: `transform:ratio@1(${FROM('income')}, ${FROM('age')})` },
        seconds: { takes: 'FP32', from: `transform:age_seconds@1(${FROM('joined')})` },
        length: { takes: 'INT64', from: 'transform:char_length@1(request.text)' },
        is_ch: { takes: 'INT64', from: `transform:one_hot@1(transform:lower@1(${FROM('country')}), "ch")` },
        bias: { takes: 'FP32', from: 'const:1' },
        kind: { takes: 'BYTES', from: 'const:loan' },
        absent: { takes: 'FP32', default: 2.5 },
      },
      PERSON,
    );
    const request = { person_id: '42', amount: 0.1, plain: 0.1, other: '7', given: 5, text: 'é!' };
    const { rows, provenance, degraded } = await enrich(version, request);
    expect(rows).toEqual([
      {
        amount: Math.fround(0.1),
        plain: 0.1,
        renamed: 7,
        given: 5,
        age: 30,
        country: 'CH',
        score: Math.fround(0.1),
        per_year: 1e3 / 30,
        seconds: 60,
        length: 2,
        is_ch: 1,
        bias: 1,
        kind: 'loan',
        absent: 2.5,
      },
    ]);
    expect(degraded).toBe(false);
    const eventTsUs = BigInt(NOW_MS) * 1000n;
    const stored = { status: 'PRESENT', view: 'people@1', eventTsUs };
    expect(provenance).toEqual([
      {
        entityKeys: ['people:["42"]'],
        features: [
          { name: 'amount', source: 'request', status: null, value: Math.fround(0.1) },
          { name: 'plain', source: 'request', status: null, value: Math.fround(0.1) },
          { name: 'renamed', source: 'request', status: null, value: '7' },
          { name: 'given', source: 'request', status: null, value: 5 },
          { name: 'age', source: 'store', ...stored, feature: 'age', value: 30 },
          { name: 'country', source: 'store', ...stored, feature: 'country', value: 'CH' },
          { name: 'score', source: 'store', ...stored, feature: 'score', value: Math.fround(0.1) },
          { name: 'per_year', source: 'transform', ...stored, feature: 'income', value: 1e3 / 30 },
          { name: 'seconds', source: 'transform', ...stored, feature: 'joined', value: 60 },
          { name: 'length', source: 'transform', status: null, value: '2' },
          { name: 'is_ch', source: 'transform', ...stored, feature: 'country', value: '1' },
          { name: 'bias', source: 'const', status: null, value: 1 },
          { name: 'kind', source: 'const', status: null, value: 'loan' },
          { name: 'absent', source: 'default', status: null, value: 2.5 },
        ],
      },
    ]);
  });

  it('reads everything that all rows need at once, each row of a view once', async () => {
    const { enrich, push, reader } = setUp();
    await push('people', [
      { person: 1, age: 10 },
      { person: 2, age: 20 },
    ]);
    await push('pairs', [{ person: 1, shop: 'b', visits: 3 }]);
    const version = aBoundVersion(
      { age: { takes: 'INT64', from: FROM('age') }, visits: { takes: 'INT32', from: 'feature:pairs@2:visits' } },
      { ...PERSON, shop: 'shop' },
    );
    const asked = [1, 2, '1'].map((person_id) => ({ person_id, shop: 'b' }));
    const { rows, provenance } = await enrich(version, ...asked);
    expect(rows).toEqual([
      { age: 10, visits: 3 },
      { age: 20, visits: 0 },
      { age: 10, visits: 3 },
    ]);
    expect(provenance?.map(({ features }) => features.map(({ status }) => status))).toEqual([
      ['PRESENT', 'PRESENT'],
      ['PRESENT', 'NOT_FOUND'],
      ['PRESENT', 'PRESENT'],
    ]);
    const wanted = ['["1"]', '["2"]'].map((key) => ({ view: 'people', key }));
    const pairs = ['["1","b"]', '["2","b"]'].map((key) => ({ view: 'pairs', key }));
    expect(reader.reads).toHaveLength(1);
    expect(reader.reads[0]).toHaveLength(4);
    expect(reader.reads[0]).toEqual(expect.arrayContaining([...wanted, ...pairs]));
  });

  it('needs no key and no read where the request gives every stored column', async () => {
    const { enrich, reader } = setUp();
    const version = one({ takes: 'INT64', from: FROM('age'), override: 'request' });
    const { rows, provenance } = await enrich(version, { x: 3 });
    expect(rows).toEqual([{ x: 3 }]);
    expect(provenance).toEqual([
      { entityKeys: [], features: [{ name: 'x', source: 'request', status: null, value: 3 }] },
    ]);
    expect(reader.reads).toEqual([]);
    await expect(enrich(version, { x: 3 }, {})).rejects.toMatchObject({
      code: 'invalid_input',
      details: [{ field: 'rows[1].person_id', code: 'missing_input' }],
    });
  });

  it.each([
    ['a field that nobody reads', { person_id: 1, y: 1 }, 'rows[0].y', 'unknown_field'],
    ['a stored column, without leave', { person_id: 1, x: 1 }, 'rows[0].x', 'override_refused'],
    ['no key', {}, 'rows[0].person_id', 'missing_input'],
    ['a key of another type', { person_id: 'me' }, 'rows[0].person_id', 'invalid_integer_string'],
    ['null for a key', { person_id: null }, 'rows[0].person_id', 'null_not_allowed'],
  ])('refuses %s before it reads', async (_, row, field, code) => {
    const { enrich, reader } = setUp();
    await expect(enrich(one({ takes: 'INT64', from: FROM('age') }), row)).rejects.toMatchObject({
      code: 'invalid_input',
      details: [{ field, code }],
    });
    expect(reader.reads).toEqual([]);
  });

  it('tells all faults of a request, of the first kind that was found', async () => {
    const { enrich } = setUp();
    const version = aBoundVersion(
      { a: { takes: 'INT64', from: FROM('age') }, c: { takes: 'BYTES', from: FROM('country') } },
      PERSON,
    );
    await expect(enrich(version, { person_id: 1 }, { person_id: 2 })).rejects.toMatchObject({
      code: 'feature_missing',
      message: 'rows[0]: the feature "age" of people@1 is not stored for this entity. (and 3 more)',
      details: [
        { field: 'rows[0].features.age', code: 'not_found' },
        { field: 'rows[0].features.country' },
        { field: 'rows[1].features.age' },
        { field: 'rows[1].features.country' },
      ],
    });
  });

  it.each([
    ['a number too large for a float', { takes: 'FP32', dtype: 'INT64' }, 16_777_217, 'lossy_cast'],
    ['a number too large for a half', { takes: 'FP16', dtype: 'FP32' }, 1e30, 'lossy_cast'],
    ['a number that is not whole', { takes: 'INT64', dtype: 'FP64', cast: 'exact' }, 1.5, 'lossy_cast'],
    ['a value of another type', { takes: 'FP32', dtype: 'INT64' }, 'x', 'invalid_integer_string'],
    ['a moment without a zone', { takes: 'INT64', dtype: 'TIMESTAMP' }, '2026-01-01T00:00:00', 'timezone_required'],
    [
      'a text for a number in a transform',
      { takes: 'FP64', from: 'transform:log1p@1(request.x)' },
      'a',
      'invalid_number_string',
    ],
    ['a list for a category', { takes: 'FP64', from: 'transform:one_hot@1(request.x, 1)' }, [1], 'shape_mismatch'],
  ] as const)('refuses %s of a request', async (_, settings, x, code) => {
    const { enrich } = setUp();
    await expect(enrich(one(settings, {}), { x })).rejects.toMatchObject({
      code: 'invalid_input',
      details: [{ field: 'rows[0].x', code }],
    });
  });

  it.each([
    ['an integer that a float does not hold', { takes: 'FP32', from: FROM('age') }, { age: 16_777_217 }],
    ['a float that becomes infinite', { takes: 'FP32', from: FROM('income') }, { income: 1e300 }],
    ['NaN where the model takes none', { takes: 'FP64', from: FROM('income') }, { income: 'NaN' }],
    ['what a transform makes of it', { takes: 'FP64', from: `transform:ratio@1(1, ${FROM('age')})` }, { age: 0 }],
    [
      'an integer that no double holds',
      { takes: 'FP64', from: `transform:log1p@1(${FROM('age')})` },
      { age: '9007199254740993' },
    ],
  ] as const)('refuses a stored value with feature_cast: %s', async (_, settings, values) => {
    const { enrich, push } = setUp();
    await push('people', [{ person: 1, ...values }]);
    await expect(enrich(one(settings), { person_id: 1 })).rejects.toMatchObject({
      code: 'feature_cast',
      details: [{ code: 'feature_cast' }],
    });
  });

  it('rounds a large integer where the column says so, and takes infinities where it may', async () => {
    const { enrich, push } = setUp();
    await push('people', [{ person: 1, age: 16_777_217, income: '-Infinity' }]);
    const version = aBoundVersion(
      {
        a: { takes: 'FP32', from: FROM('age'), cast: 'round' },
        i: { takes: 'FP32', from: FROM('income'), onNonFinite: 'accept' },
      },
      PERSON,
    );
    const { rows, provenance } = await enrich(version, { person_id: 1 });
    expect(rows).toEqual([{ a: 16_777_216, i: '-Infinity' }]);
    expect(provenance?.[0]?.features.map(({ value }) => value)).toEqual([16_777_216, '-Infinity']);
  });

  it('keeps the sign of zero and every digit', async () => {
    const { enrich, push } = setUp();
    await push('people', [{ person: 1, age: '9223372036854775807', income: '-0' }]);
    const version = aBoundVersion(
      { a: { takes: 'INT64', from: FROM('age') }, i: { takes: 'FP32', from: FROM('income') } },
      PERSON,
    );
    const { rows, provenance } = await enrich(version, { person_id: 1 });
    expect(rows).toEqual([{ a: '9223372036854775807', i: -0 }]);
    expect(Object.is(rows[0]?.i, -0)).toBe(true);
    expect(provenance?.[0]?.features.map(({ value }) => value)).toEqual(['9223372036854775807', '-0']);
  });

  it('shows each status, and lets the column decide what becomes of it', async () => {
    const { enrich, push } = setUp();
    await push('people', [{ person: 1, score: 5 }], '2025-12-31T00:00:00Z');
    await push('people', [{ person: 2, age: 7 }]);
    const version = aBoundVersion(
      {
        age: { takes: 'FP32', from: FROM('age'), onMissing: 'nan' },
        income: { takes: 'FP32', from: FROM('income'), default: 9 },
        score: { takes: 'FP32', from: FROM('score'), default: -1 },
      },
      PERSON,
    );
    const { rows, provenance } = await enrich(version, { person_id: 1 }, { person_id: 2 }, { person_id: 3 });
    expect(rows).toEqual([
      { age: 'NaN', income: 9, score: 5 },
      { age: 7, income: 9, score: -1 },
      { age: 'NaN', income: 9, score: -1 },
    ]);
    expect(provenance?.map(({ features }) => features.map(({ status, source }) => `${status} ${source}`))).toEqual([
      ['OUTSIDE_MAX_AGE default', 'OUTSIDE_MAX_AGE default', 'OUTSIDE_MAX_AGE store'],
      ['PRESENT store', 'NULL_VALUE default', 'NULL_VALUE default'],
      ['NOT_FOUND default', 'NOT_FOUND default', 'NOT_FOUND default'],
    ]);
  });

  it('answers with defaults where a read did not happen in time and the view says so, and shows no status', async () => {
    const { enrich, push, reader, store } = setUp();
    await push('people', [{ person: 1, income: 5 }]);
    reader.timeOut();
    const version = one({ takes: 'FP32', from: FROM('income') });
    const { rows, provenance, degraded } = await enrich(version, { person_id: 1 });
    expect([rows, degraded]).toEqual([[{ x: 0 }], true]);
    expect(store.statistics(version)).toMatchObject({ timeouts: 1, degradedCalls: 1, sources: { default: 1 } });
    expect(provenance).toEqual([
      {
        entityKeys: ['people:["1"]'],
        features: [
          {
            name: 'x',
            source: 'default',
            status: null,
            reason: 'timeout',
            view: 'people@1',
            feature: 'income',
            value: 0,
          },
        ],
      },
    ]);
    reader.recover();
    expect((await enrich(version, { person_id: 1 })).rows).toEqual([{ x: 5 }]);
  });

  it('refuses with features_unavailable otherwise, also where something else is wrong', async () => {
    const { enrich, reader } = setUp();
    reader.timeOut();
    const version = aBoundVersion(
      { y: { takes: 'FP32', dtype: 'INT64' }, x: { takes: 'INT64', from: FROM('age') } },
      PERSON,
    );
    await expect(enrich(version, { person_id: 1, y: 16_777_217 })).rejects.toMatchObject({
      code: 'features_unavailable',
      details: [{ field: 'rows[0].features.age', code: 'timeout' }],
    });
  });

  it('reads nothing by a version of a view that is refused, and goes on where a request needs none of it', async () => {
    const refusal = new QuaysideError('features_unavailable', 'people@1 was applied with other content.');
    const refusalOf = (view: string) => (view === 'people@1' ? refusal : undefined);
    const { enrich, store, reader } = setUp({}, { refusalOf });
    const version = one({ takes: 'INT64', from: FROM('age'), override: 'request' });
    await expect(enrich(version, { person_id: 1 })).rejects.toBe(refusal);
    await expect(store.inspect(version, [{ person_id: 1 }], {} as CallContext)).rejects.toBe(refusal);
    expect((await enrich(version, { x: 7 })).rows).toEqual([{ x: 7 }]);
    expect(reader.reads).toEqual([]);
  });

  it('counts sources, statuses, what was not read in time, and calls that were degraded', async () => {
    const { enrich, store, push, reader, clock } = setUp();
    const version = aBoundVersion(
      {
        given: { takes: 'FP32' },
        income: { takes: 'FP32', from: FROM('income') },
        score: { takes: 'FP32', from: FROM('score') },
        fixed: { takes: 'FP32', from: 'const:1' },
        doubled: { takes: 'FP32', from: 'transform:log1p@1(feature:people@1:income)' },
      },
      PERSON,
    );
    await enrich(one({ takes: 'FP32' }, {}), { x: 1 });
    expect(store.statistics(version)).toBeUndefined();
    await push('people', [
      { person: 1, income: 5, score: 1 },
      { person: 2, score: 1 },
    ]);
    await enrich(version, { person_id: 1, given: 1 }, { person_id: 2, given: 1 });
    await expect(enrich(version, { person_id: 3, given: 1 })).rejects.toMatchObject({ code: 'feature_missing' });
    await clock.advance(2 * 24 * 3_600_000);
    await enrich(version, { person_id: 1, given: 1 });
    reader.timeOut();
    await enrich(one({ takes: 'FP32', from: FROM('income') }), { person_id: 1 });
    await expect(enrich(version, { person_id: 1, given: 1 })).rejects.toMatchObject({ code: 'features_unavailable' });
    expect(store.statistics(version)).toEqual({
      sources: { request: 5, store: 4, default: 4, transform: 5, const: 5 },
      statuses: { PRESENT: 4, OUTSIDE_MAX_AGE: 3, NULL_VALUE: 2, NOT_FOUND: 3 },
      timeouts: 3,
      degradedCalls: 0,
    });
    expect(store.statistics(aModelVersion({ model: 'plain' }))).toBeUndefined();
  });

  it('computes the default of a column where an argument is lacking', async () => {
    const { enrich, reader, push } = setUp();
    await push('people', [{ person: 1, age: 3 }]);
    const from = `transform:ratio@1(request.a, ${FROM('age')})`;
    const version = one({ takes: 'FP32', from, default: -1, onTimeout: 'defaults' });
    const rows = [{ person_id: 1, a: 6 }, { person_id: 1 }, { person_id: 2, a: 6 }];
    const enriched = await enrich(version, ...rows);
    expect(enriched.rows).toEqual([{ x: 2 }, { x: -1 }, { x: -1 }]);
    expect(enriched.provenance?.map(({ features: [x] }) => x?.source)).toEqual(['transform', 'default', 'default']);
    reader.timeOut();
    expect(await enrich(version, { person_id: 1, a: 6 })).toMatchObject({ rows: [{ x: -1 }], degraded: true });
    await expect(enrich(one({ takes: 'FP32', from }), { person_id: 1 })).rejects.toMatchObject({
      code: 'invalid_input',
    });
  });

  it('waits for a read no longer than the request may take, and not at all once that is over', async () => {
    const clock = new ManualClock();
    const timeouts: number[] = [];
    const reader = new FakeFeatureReader(VIEWS, new FakeFeatureRows());
    const read = reader.read.bind(reader);
    reader.read = (wanted, options) => (
      timeouts.push((options as { timeoutMs: number }).timeoutMs),
      read(wanted, options)
    );
    const store = new BoundFeatureStore(new FakeModelRegistry(clock), {
      views: VIEWS,
      reader,
      clock,
      readTimeoutMs: 50,
    });
    const { signal } = new AbortController();
    const version = one({ takes: 'FP32', from: FROM('income') });
    const until = (leftMs: number) =>
      store.enrich(version, [{ person_id: 1 }], {
        requestId: '',
        traceparent: '',
        signal,
        deadlineAtMs: clock.monotonicMs() + leftMs,
      });
    await until(1000);
    await until(20);
    expect(await until(0)).toMatchObject({ degraded: true });
    expect(timeouts).toEqual([50, 20]);
  });

  it('tells a caller who left so, and not that features were missing', async () => {
    const { enrich } = setUp({ signal: AbortSignal.abort() });
    const version = one({ takes: 'INT64', from: FROM('age') });
    await expect(enrich(version, { person_id: 1 })).rejects.toMatchObject({ code: 'client_closed' });
  });

  it('keeps a version whose bindings have faults from serving, and says what they are', async () => {
    const clock = new ManualClock();
    const registry = new FakeModelRegistry(clock);
    const reader = new FakeFeatureReader(VIEWS, new FakeFeatureRows());
    new BoundFeatureStore(registry, { views: VIEWS, reader, clock, readTimeoutMs: 50 });
    registry.add(one({ takes: 'INT64', from: 'feature:nobody@1:age' }, {}));
    await expect(registry.serve(parseModelReference('bound'))).rejects.toMatchObject({ code: 'model_unavailable' });
    const [status] = registry.list();
    expect(status?.versions).toMatchObject([
      {
        state: 'failed',
        reason: 'The bindings of bound@1 have 1 fault: column "x": there is no feature view "nobody".',
      },
    ]);
    registry.add({ ...one({ takes: 'INT64', from: FROM('age') }), ...{ digest: 'mended' } });
    await expect(registry.serve(parseModelReference('bound'))).resolves.toMatchObject({ model: 'bound' });
  });

  it('describes what a row has: keys, fields, and what may be given instead', () => {
    const { store } = setUp();
    const version = aBoundVersion(
      {
        age: { takes: 'INT64', from: FROM('age'), override: 'request' },
        amount: { takes: 'FP32', default: 1 },
        is_a: { takes: 'INT64', from: 'transform:one_hot@1(request.kind, "a")' },
      },
      PERSON,
    );
    expect(store.describe(version)).toEqual({
      fields: [
        { name: 'person_id', reads: { as: 'key', dtype: 'INT64' }, optional: true, description: expect.any(String) },
        { name: 'age', reads: { as: 'column', column: 'age' }, optional: true, description: expect.any(String) },
        {
          name: 'amount',
          reads: { as: 'column', column: 'amount' },
          optional: true,
          default: 1,
          description: expect.any(String),
        },
        { name: 'kind', reads: { as: 'category' }, optional: false, description: expect.any(String) },
      ],
      alternatives: [{ either: ['person_id'], or: ['age'] }],
    });
    expect(store.describe(aModelVersion({ model: 'plain' }))).toBeUndefined();
  });
});
