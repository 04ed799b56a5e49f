import { SystemClock } from '@app/core';
import { Database } from '@app/database';
import {
  FeatureViewStore,
  type FeatureViews,
  PostgresFeatureReader,
  PostgresFeatureViewStore,
} from '@app/feature-store';
import {
  type TestDatabase,
  FakeFeatureReader,
  FakeFeatureRows,
  FakeFeatureViewStore,
  ManualClock,
  inTimeZone,
  testDatabase,
} from '@app/testing';
import { type FeatureRowsBench, itBehavesLikeFeatureRows } from './feature-rows.contract';

describe(FeatureViewStore.name, () => {
  describe(FakeFeatureViewStore.name, () => itBehavesLikeFeatureRows(openFake));

  describe(PostgresFeatureViewStore.name, () => {
    let database: TestDatabase;
    beforeAll(async () => {
      database = await testDatabase();
    });
    afterAll(() => database.close());
    itBehavesLikeFeatureRows((views) => openPostgres(views, database));
  });

  describe.each(['UTC', 'America/New_York', 'Asia/Kolkata'])(
    `${PostgresFeatureViewStore.name} under TZ=%s, with a role and a database in other zones`,
    (zone) => {
      inTimeZone(zone);
      let here: TestDatabase;
      let database: Database;
      beforeAll(async () => {
        here = await testDatabase();
        const { main } = here.database;
        const { rows } = await main.query<{ name: string }>('select current_database() as name');
        await main.query(`alter database ${rows[0]?.name} set timezone = 'Asia/Tokyo'`);
        await main.query(`alter role current_user in database ${rows[0]?.name} set timezone = 'America/Caracas'`);
        database = new Database(
          { server: { kind: 'url', url: here.url } },
          { clock: new SystemClock(), log: () => {} },
        );
        database.start();
        await database.whenUp();
      });
      afterAll(async () => {
        await database.close();
        await here.close();
      });
      itBehavesLikeFeatureRows((views) => openPostgres(views, { database }));
    },
  );
});

async function openFake(views: FeatureViews): Promise<FeatureRowsBench> {
  const clock = new ManualClock(Date.UTC(2026, 6, 1));
  const rows = new FakeFeatureRows();
  const other = (own: FeatureViews) => ({
    store: new FakeFeatureViewStore(own, clock, rows),
    reader: new FakeFeatureReader(own, rows),
  });
  return { ...other(views), clock, other, close: () => Promise.resolve() };
}

async function openPostgres(
  views: FeatureViews,
  { database }: Pick<TestDatabase, 'database'>,
): Promise<FeatureRowsBench> {
  const clock = new SystemClock();
  const other = (own: FeatureViews) => ({
    store: new PostgresFeatureViewStore({ database, views: own, clock }),
    // With limits far longer than any read takes, on a busy machine too: deadlines have tests of their own.
    reader: new PostgresFeatureReader({ pool: database.main, views: own, clock, readTimeoutMs: 10_000 }),
  });
  const close = async (): Promise<void> => {
    await database.main.query('truncate feature_view cascade');
    await database.main.query('truncate feature_history');
  };
  return { ...other(views), clock, other, close };
}
