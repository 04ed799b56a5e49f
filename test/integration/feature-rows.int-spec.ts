import { type Clock, SystemClock, newId } from '@app/core';
import {
  FeatureHousekeeping,
  type FeatureViews,
  PostgresFeatureReader,
  PostgresFeatureViewStore,
  type PushRequest,
} from '@app/feature-store';
import { ManualClock, type TestDatabase, eventually, featureViews, testDatabase } from '@app/testing';

const DAY_MS = 86_400_000;

function view(name: string, more: object = {}): object {
  return {
    name,
    version: 1,
    entities: [{ name: 'id', dtype: 'INT64' }],
    features: [{ name: 'x', dtype: 'INT64' }],
    ...more,
  };
}

const KEEPING = featureViews(
  view('short', { retention: { online: '10d', history: '20d' } }),
  view('forever'),
  view('both', { retention: { online: '10d' } }),
  view('both', { version: 2, max_age: '30d', retention: { online: '30d' } }),
);

let shared: TestDatabase;
const clock: Clock = new SystemClock();
beforeEach(async () => {
  shared = await testDatabase();
});
afterEach(() => shared.close());

function storeOf(views: FeatureViews): PostgresFeatureViewStore {
  return new PostgresFeatureViewStore({ database: shared.database, views, clock });
}

function aged(id: number, days: number): PushRequest['rows'][number] {
  const at = new Date(clock.epochMs() - days * DAY_MS).toISOString();
  return { entities: { id }, event_ts: at, features: { x: days } };
}

const sql = <Row>(text: string): Promise<readonly Row[]> =>
  shared.database.main.query<Row>(text).then(({ rows }) => rows);
const keysIn = (table: string): Promise<readonly string[]> =>
  sql<{ place: string }>(
    `select name || ' ' || entity_key as place from ${table} join feature_view on id = view_id order by 1`,
  ).then((rows) => rows.map(({ place }) => place));
const partitions = (): Promise<readonly string[]> =>
  sql<{ name: string }>(
    "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'feature_history'::regclass order by 1",
  ).then((rows) => rows.map(({ name }) => name));

function housekeeping(): FeatureHousekeeping {
  const failed = (fault: unknown): void => {
    throw fault;
  };
  return new FeatureHousekeeping({ database: shared.database, views: KEEPING, clock: new ManualClock(), failed });
}

describe(FeatureHousekeeping.name, () => {
  it('deletes what a view no longer keeps, as long as its most patient version says', async () => {
    const store = storeOf(KEEPING);
    for (const name of ['short', 'forever', 'both']) {
      await store.push(name, { rows: [aged(1, 5), aged(2, 15), aged(3, 35)], mode: 'all_or_nothing' });
    }
    expect(await housekeeping().run()).toMatchObject({ isOurs: true, onlineRows: 3, historyRows: 0 });
    const kept = ['both ["1"]', 'both ["2"]', 'forever ["1"]', 'forever ["2"]', 'forever ["3"]', 'short ["1"]'];
    expect(await keysIn('feature_online')).toEqual(kept);
    expect(await keysIn('feature_history')).toHaveLength(9);
  });

  it('deletes history by its arrival, and drops months of the past that hold nothing any more', async () => {
    await storeOf(KEEPING).apply();
    for (const month of ['2020-01', '2020-02']) {
      const name = `feature_history_${month.replace('-', '')}`;
      await sql(`create table ${name} (like feature_history including all)`);
      await sql(
        `alter table feature_history attach partition ${name} for values from ('${month}-01Z') to ('${month}-28Z')`,
      );
      const owner = month === '2020-01' ? 'short' : 'forever';
      await sql(`insert into feature_history
        select id, '["1"]', '${month}-02Z', '${month}-03Z', '${newId()}', '{}', 1 from feature_view where name = '${owner}'`);
    }
    expect(await housekeeping().run()).toMatchObject({ historyRows: 1, droppedPartitions: ['feature_history_202001'] });
    expect(await keysIn('feature_history')).toEqual(['forever ["1"]']);
  });

  it('makes the partitions of this month and the next two, once', async () => {
    await housekeeping().run();
    const made = await partitions();
    expect(made).toHaveLength(3);
    await Promise.all([housekeeping().run(), storeOf(KEEPING).apply(), storeOf(KEEPING).apply()]);
    expect(await partitions()).toEqual(made);
  });

  it('forgets pushes after a week', async () => {
    const store = storeOf(KEEPING);
    await store.push('short', { rows: [], mode: 'partial' });
    const { pushId } = await store.push('short', { rows: [], mode: 'partial' });
    await sql(`update feature_push set created_ts = now() - interval '8 days' where push_id = '${pushId}'`);
    expect(await housekeeping().run()).toMatchObject({ pushes: 1 });
  });

  it('leaves it to the process that is at it', async () => {
    const other = await shared.database.main.open();
    await other.query('select pg_advisory_lock(7318402)');
    expect(await housekeeping().run()).toMatchObject({ isOurs: false });
    other.release({ destroys: true });
    await eventually(async () => expect(await housekeeping().run()).toMatchObject({ isOurs: true }));
  });
});

describe(PostgresFeatureViewStore.name, () => {
  it('makes the partition that a push finds missing, and loses no row', async () => {
    const store = storeOf(KEEPING);
    await store.apply();
    for (const name of await partitions()) await sql(`drop table ${name}`);
    expect(await store.push('short', { rows: [aged(1, 0)], mode: 'all_or_nothing' })).toMatchObject({ written: 1 });
    expect(await keysIn('feature_history')).toEqual(['short ["1"]']);
  });

  it('writes a push once, when several processes get it at once', async () => {
    const stores = Array.from({ length: 6 }, () => storeOf(KEEPING));
    await stores[0]?.apply();
    const request = { rows: [aged(1, 0), aged(2, 0)], mode: 'all_or_nothing', pushId: newId() } as const;
    const results = await Promise.all(stores.map((store) => store.push('short', request)));
    const result = { pushId: request.pushId, written: 2, skippedOlder: 0, rejected: [] };
    const inOrder = results.toSorted((one, other) => Number(one.isRepeated) - Number(other.isRepeated));
    expect(inOrder).toEqual(stores.map((_, at) => ({ ...result, isRepeated: at > 0 })));
    expect(await keysIn('feature_history')).toHaveLength(2);
  });

  it('ends opposite pushes of several processes without a deadlock', async () => {
    const stores = Array.from({ length: 4 }, () => storeOf(KEEPING));
    await stores[0]?.apply();
    const ids = Array.from({ length: 200 }, (_, id) => id);
    const pushes = stores.flatMap((store, at) =>
      [ids, ids.toReversed()].map((order) => {
        const rows = order.map((id) => ({ ...aged(id, 0), features: { x: at } }));
        return store.push('short', { rows, mode: 'all_or_nothing' });
      }),
    );
    const results = await Promise.all(pushes);
    expect(results.map(({ written, skippedOlder }) => written + skippedOlder)).toEqual(results.map(() => 200));
  });

  it('keeps every row of a push in the history, the older ones of a key too', async () => {
    const store = storeOf(KEEPING);
    await store.push('short', { rows: [aged(1, 1), aged(1, 2), aged(1, 3)], mode: 'all_or_nothing' });
    await store.push('short', { rows: [aged(1, 4)], mode: 'all_or_nothing' });
    expect(await keysIn('feature_history')).toHaveLength(4);
    expect(await keysIn('feature_online')).toEqual(['short ["1"]']);
  });

  it('writes nothing at all where one row cannot be written', async () => {
    const store = storeOf(KEEPING);
    await store.apply();
    await sql('alter table feature_history add check (view_id < 0) not valid');
    await expect(store.push('short', { rows: [aged(1, 0)], mode: 'partial' })).rejects.toThrow();
    expect(await keysIn('feature_online')).toEqual([]);
    expect(await sql('select from feature_push')).toEqual([]);
  });

  it('takes ten thousand rows at once, and not one more', async () => {
    const store = storeOf(KEEPING);
    const rows = Array.from({ length: 10_000 }, (_, id) => aged(id, 0));
    expect(await store.push('short', { rows, mode: 'all_or_nothing' })).toMatchObject({ written: 10_000 });
    await expect(store.push('short', { rows: [...rows, aged(0, 0)], mode: 'partial' })).rejects.toMatchObject({
      details: [{ field: 'rows', code: 'too_many_rows' }],
    });
  });

  it('fails with database_unavailable while the database is away', async () => {
    const store = storeOf(KEEPING);
    await store.apply();
    await shared.database.close();
    const away = { code: 'database_unavailable' };
    await expect(store.push('short', { rows: [aged(1, 0)], mode: 'partial' })).rejects.toMatchObject(away);
    await expect(store.plan()).rejects.toMatchObject(away);
    await expect(store.statistics()).rejects.toMatchObject(away);
  });
});

describe(PostgresFeatureReader.name, () => {
  it('times out while the table is locked, and reads again afterwards', async () => {
    const store = storeOf(KEEPING);
    await store.push('short', { rows: [aged(1, 0)], mode: 'all_or_nothing' });
    const reader = new PostgresFeatureReader({
      pool: shared.database.features,
      views: KEEPING,
      clock,
      readTimeoutMs: 30,
    });
    const read = () => reader.read([{ view: 'short', key: '["1"]' }], { timeoutMs: 1000 });
    await shared.database.transaction(shared.database.main, async (tx) => {
      await tx.query('lock table feature_online in access exclusive mode');
      expect(await read()).toEqual({ kind: 'timeout' });
    });
    await eventually(async () => {
      const found = await read();
      expect(found.kind === 'rows' && found.rows('short', '["1"]')?.values).toEqual({ x: 0n });
    });
  });

  it('finds rows by their primary key alone', async () => {
    const store = storeOf(KEEPING);
    const rows = Array.from({ length: 5000 }, (_, id) => aged(id, 0));
    await store.push('short', { rows, mode: 'all_or_nothing' });
    await sql('analyze');
    const plan = await sql<{ 'QUERY PLAN': string }>(`explain
      select wanted.place from unnest(array['short', 'both'], array['["1"]', '["2"]']) with ordinality as wanted(view, key, place)
      join feature_view on feature_view.name = wanted.view
      join feature_online as row on row.view_id = feature_view.id and row.entity_key = wanted.key`);
    expect(plan.map((row) => row['QUERY PLAN']).join('\n')).toContain('feature_online_pkey');
  });
});
