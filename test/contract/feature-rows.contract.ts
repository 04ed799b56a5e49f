import { type Clock, type JsonRecord, type StoredValue, decodeTimestamp, isTensor, newId } from '@app/core';
import type { FeatureViews } from '@app/feature-store';
import {
  type FeatureReader,
  type FeatureViewStore,
  type PushRequest,
  type StoredRow,
  entityKeyOf,
} from '@app/feature-store';
import { featureViews } from '@app/testing';

/** A store and its reader over the same rows; `open` with other views is another process on the same database. */
export interface FeatureRowsBench {
  readonly store: FeatureViewStore;
  readonly reader: FeatureReader;
  readonly clock: Clock;
  /** Another process, with views of its own. */
  other(views: FeatureViews): { readonly store: FeatureViewStore; readonly reader: FeatureReader };
  close(): Promise<void>;
}

const USERS = {
  name: 'users',
  version: 1,
  entities: [{ name: 'user_id', dtype: 'INT64' }],
  max_age: '7d',
  features: [
    { name: 'amount', dtype: 'FP32', default: 0 },
    { name: 'country', dtype: 'STRING' },
  ],
};

/** One feature of each kind, under one name each. */
const EVERYTHING = {
  name: 'everything',
  version: 1,
  entities: [
    { name: 'text', dtype: 'STRING' },
    { name: 'id', dtype: 'UINT64' },
  ],
  features: [
    ...['BOOL', 'INT8', 'INT16', 'INT32', 'INT64', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'FP16', 'FP32', 'FP64'],
    ...['STRING', 'TIMESTAMP', 'BYTES'],
  ].flatMap((dtype) => [
    { name: dtype.toLowerCase(), dtype },
    { name: `${dtype.toLowerCase()}s`, dtype, shape: [2] },
  ]),
};

const VIEWS = [USERS, EVERYTHING];
const NEXT_USERS = { ...USERS, version: 2, features: [...USERS.features, { name: 'visits', dtype: 'INT64' }] };
const DAY = '2026-01-01T00:00:00Z';

/** What any `FeatureViewStore` and `FeatureReader` promise together. */
export function itBehavesLikeFeatureRows(open: (views: FeatureViews) => Promise<FeatureRowsBench>): void {
  let bench: FeatureRowsBench;
  beforeEach(async () => {
    bench = await open(featureViews(...VIEWS));
    await bench.store.apply();
  });
  afterEach(() => bench.close());

  const userRow = (userId: unknown, features: JsonRecord, at = DAY) => ({
    entities: { user_id: userId },
    event_ts: at,
    features,
  });
  const push = (rows: PushRequest['rows'], options: Partial<PushRequest> = {}) =>
    bench.store.push('users', { rows, mode: 'all_or_nothing', ...options });
  const keyOf = (userId: unknown): string => JSON.stringify([String(userId)]);
  const read = async (view: string, key: string, reader = bench.reader): Promise<StoredRow | undefined> => {
    const found = await reader.read([{ view, key }], { timeoutMs: 10_000 });
    if (found.kind !== 'rows') throw new Error('the read timed out');
    return found.rows(view, key);
  };

  it('gives what was pushed, with its moment; a feature left out, and a null, are null', async () => {
    const result = await push([userRow(1, { amount: 0.1 }), userRow('2', { amount: null, country: 'NL' })]);
    expect(result).toMatchObject({ written: 2, skippedOlder: 0, rejected: [] });
    const first = await read('users', keyOf(1));
    expect(first).toEqual({
      eventTsUs: decodeTimestamp(DAY, ''),
      values: { amount: Math.fround(0.1), country: null },
    });
    expect(await read('users', keyOf(2))).toMatchObject({ values: { amount: null, country: 'NL' } });
    expect(await read('users', keyOf(3))).toBeUndefined();
  });

  it('reads many rows of many views at once, each once, and knows no view that it was not asked for', async () => {
    await push([userRow(1, { amount: 1 }), userRow(2, { amount: 2 })]);
    const wanted = [1, 2, 1, 3].map((id) => ({ view: 'users', key: keyOf(id) }));
    const found = await bench.reader.read([...wanted, { view: 'nothing', key: '["1"]' }], { timeoutMs: 10_000 });
    if (found.kind !== 'rows') throw new Error('the read timed out');
    const amounts = [1, 2, 3].map((id) => found.rows('users', keyOf(id))?.values['amount']);
    expect(amounts).toEqual([1, 2, undefined]);
    expect(found.rows('nothing', '["1"]')).toBeUndefined();
    expect(found.rows('everything', keyOf(1))).toBeUndefined();
  });

  it('replaces a whole row by a newer one, and keeps it from an older one', async () => {
    await push([userRow(1, { amount: 1, country: 'NL' }, '2026-01-02T00:00:00Z')]);
    expect(await push([userRow(1, { amount: 2 }, '2026-01-01T00:00:00Z')])).toMatchObject({
      written: 0,
      skippedOlder: 1,
    });
    expect(await read('users', keyOf(1))).toMatchObject({ values: { amount: 1, country: 'NL' } });
    expect(await push([userRow(1, { amount: 3 }, '2026-01-03T00:00:00Z')])).toMatchObject({
      written: 1,
      skippedOlder: 0,
    });
    expect(await read('users', keyOf(1))).toMatchObject({ values: { amount: 3, country: null } });
  });

  it('lets the last push win among equal moments, to the microsecond', async () => {
    await push([userRow(1, { amount: 1 }, '2026-01-01T00:00:00.000001Z')]);
    await push([userRow(1, { amount: 2 }, '2026-01-01T00:00:00.000001Z')]);
    await push([userRow(1, { amount: 3 }, '2026-01-01T00:00:00Z')]);
    expect(await read('users', keyOf(1))).toMatchObject({ values: { amount: 2 } });
  });

  it('keeps the newest row of a key that a push has twice, whatever the order and however the key is written', async () => {
    const rows = [
      userRow('7', { amount: 2 }, '2026-01-02T00:00:00Z'),
      userRow(7, { amount: 3 }, '2026-01-03T00:00:00Z'),
      userRow(7, { amount: 1 }, '2026-01-01T00:00:00Z'),
    ];
    expect(await push(rows)).toMatchObject({ written: 1, skippedOlder: 2 });
    expect(await read('users', keyOf(7))).toMatchObject({ values: { amount: 3 } });
  });

  it('takes the later of two equal rows of one push', async () => {
    expect(await push([userRow(7, { amount: 1 }), userRow(7, { amount: 2 })])).toMatchObject({
      written: 1,
      skippedOlder: 1,
    });
    expect(await read('users', keyOf(7))).toMatchObject({ values: { amount: 2 } });
  });

  it('does nothing when a push is repeated, and gives the first result', async () => {
    const pushId = newId();
    const first = await push([userRow(1, { amount: 1 })], { pushId });
    await push([userRow(1, { amount: 2 }, '2026-01-02T00:00:00Z')]);
    expect(first.isRepeated).toBe(false);
    const again = await push([userRow(1, { amount: 3 }, '2026-01-03T00:00:00Z')], { pushId: pushId.toUpperCase() });
    expect(again).toEqual({ ...first, isRepeated: true });
    expect(await read('users', keyOf(1))).toMatchObject({ values: { amount: 2 } });
  });

  it('refuses a push id that another view has used', async () => {
    const pushId = newId();
    await push([userRow(1, {})], { pushId });
    const rows = [{ entities: { id: 1, text: 'a' }, event_ts: DAY, features: {} }];
    await expect(bench.store.push('everything', { rows, mode: 'partial', pushId })).rejects.toMatchObject({
      code: 'invalid_input',
      details: [{ field: 'push_id', code: 'push_id_reused' }],
    });
  });

  it('refuses a row from the future, and one whose moment has no zone', async () => {
    const future = new Date(bench.clock.epochMs() + 301_000).toISOString();
    const soon = new Date(bench.clock.epochMs() + 200_000).toISOString();
    const codes = (at: string) =>
      push([userRow(1, {}, at)]).then(
        () => 'taken',
        (error: unknown) => error,
      );
    expect(await codes(future)).toMatchObject({ details: [{ field: 'rows[0].event_ts', code: 'future_event' }] });
    expect(await codes('2026-01-01T00:00:00')).toMatchObject({ details: [{ code: 'timezone_required' }] });
    expect(await codes(soon)).toBe('taken');
  });

  it('writes nothing of a push with one bad row, and names all that is wrong', async () => {
    const rows = [userRow(1, { amount: 1 }), userRow('x', { amount: 'much', height: 1 })];
    const refusal: unknown = await push(rows).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'invalid_input' });
    const { details } = refusal as { readonly details: readonly { field: string; code: string }[] };
    expect(details.map(({ field, code }) => `${field} ${code}`)).toEqual([
      'rows[1].entities.user_id invalid_integer_string',
      'rows[1].features.amount invalid_number_string',
      'rows[1].features.height unknown_feature',
    ]);
    expect(await read('users', keyOf(1))).toBeUndefined();
  });

  it('writes the good rows of a partial push, and tells which were bad, also when it is repeated', async () => {
    const rows = [userRow(1, { amount: 1 }), userRow(2, { 'he\0ight': 1 }), userRow(3, { amount: 3 })];
    const pushId = newId();
    const result = await push(rows, { mode: 'partial', pushId });
    expect(result).toMatchObject({ written: 2, skippedOlder: 0, rejected: [{ index: 1 }] });
    expect(result.rejected[0]?.details).toMatchObject([
      { field: 'rows[1].features.he\\u0000ight', code: 'unknown_feature' },
    ]);
    expect(await push(rows, { mode: 'partial', pushId })).toEqual({ ...result, isRepeated: true });
    expect(await read('users', keyOf(3))).toMatchObject({ values: { amount: 3 } });
  });

  it('takes a push without rows', async () => {
    expect(await push([])).toMatchObject({ written: 0, skippedOlder: 0, rejected: [] });
  });

  it('knows no view that is not declared', async () => {
    const absent = { code: 'feature_view_not_found' };
    await expect(bench.store.push('nobody', { rows: [], mode: 'partial' })).rejects.toMatchObject(absent);
    await expect(bench.store.erase('nobody', '["1"]')).rejects.toMatchObject(absent);
  });

  it('serves one row to all versions of a view: a new one is never empty', async () => {
    await push([userRow(1, { amount: 1 })]);
    const next = bench.other(featureViews(USERS, NEXT_USERS));
    expect((await next.store.apply()).isRefused).toBe(false);
    expect(await read('users', keyOf(1), next.reader)).toMatchObject({ values: { amount: 1, visits: null } });
    await next.store.push('users', {
      rows: [userRow(1, { amount: 2, visits: '9007199254740993' }, '2026-01-02T00:00:00Z')],
      mode: 'all_or_nothing',
    });
    expect(await read('users', keyOf(1), next.reader)).toMatchObject({
      values: { amount: 2, visits: 9_007_199_254_740_993n },
    });
    expect(await read('users', keyOf(1))).toMatchObject({ values: { amount: 2 } });
  });

  it('refuses other content under a known version, and pushes under it; the recorded one stays', async () => {
    const changed = { ...USERS, features: [{ name: 'amount', dtype: 'FP32', default: 1 }] };
    const other = bench.other(featureViews(changed));
    const plan = await other.store.apply();
    expect(plan).toMatchObject({ isRefused: true, changes: [{ view: 'users', version: 1, kind: 'refuse' }] });
    expect(plan.changes[0]?.says[0]).toContain('a version never changes');
    await expect(other.store.push('users', { rows: [userRow(1, {})], mode: 'partial' })).rejects.toMatchObject({
      code: 'features_unavailable',
    });
    expect(await bench.store.plan()).toMatchObject({
      isRefused: false,
      changes: [{ kind: 'unchanged' }, { kind: 'unchanged' }],
    });
  });

  it('applies nothing where one version is refused', async () => {
    const retyped = { ...NEXT_USERS, features: [{ name: 'amount', dtype: 'FP64' }] };
    const other = bench.other(featureViews({ ...USERS, name: 'fresh' }, retyped));
    const { isRefused, changes } = await other.store.apply();
    expect(isRefused).toBe(true);
    expect(changes.map(({ view, kind }) => `${kind} ${view}`)).toEqual(['create fresh', 'refuse users']);
    expect(changes[1]?.says[0]).toContain('keeps its type for ever');
    expect((await bench.store.statistics()).map(({ view }) => view)).toEqual(['everything', 'users']);
  });

  it('changes owner, description, retention and pii in place', async () => {
    const features = [{ ...USERS.features[0], pii: 'hash' }, USERS.features[1]];
    const edited = { ...USERS, owner: 'team', retention: { online: '30d' }, features };
    const other = bench.other(featureViews(edited, EVERYTHING));
    const plan = await other.store.plan();
    expect(plan.changes.find(({ view }) => view === 'users')).toMatchObject({ kind: 'update' });
    await other.store.apply();
    expect((await other.store.plan()).changes.map(({ kind }) => kind)).toEqual(['unchanged', 'unchanged']);
  });

  it('counts rows and tells the newest event of each view', async () => {
    await push([userRow(1, {}, '2026-01-02T00:00:00.000001Z'), userRow(2, {})]);
    const users = { view: 'users', rows: 2, newestEventTsUs: decodeTimestamp('2026-01-02T00:00:00.000001Z', '') };
    expect(await bench.store.statistics()).toEqual([{ view: 'everything', rows: 0 }, users]);
    expect(await bench.store.statistics('users')).toEqual([users]);
    expect(await bench.store.statistics('nobody')).toEqual([]);
  });

  it('erases an entity with its history, and no other', async () => {
    await push([
      userRow(1, { amount: 1 }),
      userRow(1, { amount: 2 }, '2026-01-02T00:00:00Z'),
      userRow(2, { amount: 3 }),
    ]);
    expect(await bench.store.erase('users', keyOf(1))).toEqual({ online: 1, history: 2 });
    expect(await read('users', keyOf(1))).toBeUndefined();
    expect(await read('users', keyOf(2))).toBeDefined();
    expect(await bench.store.erase('users', keyOf(1))).toEqual({ online: 0, history: 0 });
  });

  it('ends 100 concurrent pushes in any order at the newest event of each key', async () => {
    const moments = Array.from({ length: 100 }, (_, at) => (at * 37) % 100);
    const pushes = moments.map((minute) => {
      const at = new Date(Date.parse(DAY) + minute * 60_000).toISOString();
      const ids = minute % 2 === 0 ? [1, 2, 3] : [3, 1, 2];
      return push(ids.map((id) => userRow(id, { amount: minute }, at)));
    });
    const results = await Promise.all(pushes);
    expect(results.every(({ written, skippedOlder }) => written + skippedOlder === 3)).toBe(true);
    for (const id of [1, 2, 3]) expect(await read('users', keyOf(id))).toMatchObject({ values: { amount: 99 } });
  });

  it('keeps every bit of every value', async () => {
    const view = featureViews(EVERYTHING).find('everything', 1);
    if (!view) throw new Error('there is no such view');
    const rows = EXTREMES.map(([feature, value], id) => ({
      entities: { id, text: 'ü"[' },
      event_ts: DAY,
      features: { [feature]: value },
    }));
    await bench.store.push('everything', { rows, mode: 'all_or_nothing' });
    const keys = rows.map(({ entities }) => entityKeyOf(view, entities));
    const found = await bench.reader.read(
      keys.map((key) => ({ view: 'everything', key })),
      { timeoutMs: 10_000 },
    );
    if (found.kind !== 'rows') throw new Error('the read timed out');
    const stored = EXTREMES.map(([feature], at) => found.rows('everything', keys[at] ?? '')?.values[feature]);
    expect(stored.map((value) => bitsOf(value ?? undefined))).toEqual(EXTREMES.map(([, , value]) => bitsOf(value)));
  });

  it('writes the same bytes whatever the order of the columns', async () => {
    const values = { int64: '1', fp32: 0.1, string: 'a', bools: [true, false] };
    const backwards = Object.fromEntries(Object.entries(values).reverse());
    const rows = [values, backwards].map((features, id) => ({ entities: { text: 'a', id }, event_ts: DAY, features }));
    await bench.store.push('everything', { rows, mode: 'all_or_nothing' });
    const [left, right] = await Promise.all(['["0","a"]', '["1","a"]'].map((key) => read('everything', key)));
    expect(left?.values['fp32']).toBe(Math.fround(0.1));
    expect(Object.values(left?.values ?? {}).map((value) => bitsOf(value ?? undefined))).toEqual(
      Object.values(right?.values ?? {}).map((value) => bitsOf(value ?? undefined)),
    );
  });

  it('is a timeout for who has left already', async () => {
    const signal = AbortSignal.abort();
    expect(await bench.reader.read([{ view: 'users', key: keyOf(1) }], { timeoutMs: 10_000, signal })).toEqual({
      kind: 'timeout',
    });
  });
}

const double = (high: number, low: number): number => new Float64Array(new Uint32Array([low, high]).buffer)[0] ?? 0;

/** A feature, a value as a client writes it, and the value that it stands for. */
const EXTREMES: readonly (readonly [string, unknown, StoredValue])[] = [
  ['int64', '9223372036854775807', 9_223_372_036_854_775_807n],
  ['int64', '-9223372036854775808', -9_223_372_036_854_775_808n],
  ['int64', 9_007_199_254_740_991, 9_007_199_254_740_991n],
  ['uint64', '18446744073709551615', 18_446_744_073_709_551_615n],
  ['int32', -2_147_483_648, -2_147_483_648],
  ['fp64', -0, -0],
  ['fp32', '-0', -0],
  ['fp64', 'NaN', NaN],
  ['fp32', 'Infinity', Infinity],
  ['fp16', '-Infinity', -Infinity],
  ['fp64', 5e-324, 5e-324],
  ['fp64', double(0x000f_ffff, 0xffff_ffff), 2.225073858507201e-308],
  ['fp64', 1.7976931348623157e308, Number.MAX_VALUE],
  ['fp64', 0.1, 0.1],
  ['fp32', 1e-45, 1.401298464324817e-45],
  ['fp32', 16_777_217, 16_777_216],
  ['fp16', 6e-8, 2 ** -24],
  ['timestamp', '2026-01-01T00:00:00.000001Z', 1_767_225_600_000_001n],
  ['timestamp', '0001-01-01T00:00:00Z', -62_135_596_800_000_000n],
  ['timestamp', '9999-12-31T23:59:59.999999Z', 253_402_300_799_999_999n],
  ['string', 'NaN \u{1f600} \u2028 "', 'NaN \u{1f600} \u2028 "'],
  ['bytes', 'AP8=', new Uint8Array([0, 255])],
  ['bool', false, false],
  [
    'fp32s',
    { $f32: 'AQCAf///f38=', n: 2 },
    { dtype: 'FP32', shape: [2], bytes: new Uint8Array([1, 0, 128, 127, 255, 255, 127, 127]) },
  ],
  [
    'int64s',
    ['9223372036854775807', -1],
    {
      dtype: 'INT64',
      shape: [2],
      bytes: new Uint8Array([255, 255, 255, 255, 255, 255, 255, 127, ...Array<number>(8).fill(255)]),
    },
  ],
  ['bools', [true, false], { dtype: 'BOOL', shape: [2], bytes: new Uint8Array([1, 0]) }],
  ['strings', ['é', ''], { dtype: 'BYTES', shape: [2], bytes: new Uint8Array([2, 0, 0, 0, 195, 169, 0, 0, 0, 0]) }],
  ['bytess', ['AA==', ''], { dtype: 'BYTES', shape: [2], bytes: new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0]) }],
  [
    'timestamps',
    ['1970-01-01T00:00:00.000001Z', '1970-01-01T00:00:00Z'],
    { dtype: 'INT64', shape: [2], bytes: new Uint8Array([1, ...Array<number>(15).fill(0)]) },
  ],
];

/** What tells a value from any other, −0 and NaN too. */
function bitsOf(value: StoredValue | undefined): unknown {
  if (typeof value === 'number') return [Object.is(value, -0) ? '-0' : String(value)];
  if (typeof value !== 'object') return value;
  return isTensor(value) ? [value.dtype, [...value.shape], [...value.bytes]] : [...value];
}
