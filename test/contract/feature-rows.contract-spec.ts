import { SystemClock } from '@app/core';
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

async function openPostgres(views: FeatureViews, { database }: TestDatabase): Promise<FeatureRowsBench> {
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
