import { type TestDatabase, testDatabase } from '@app/testing';

let here: TestDatabase;
beforeAll(async () => {
  here = await testDatabase();
});
afterAll(() => here.close());

it('answers', async () => {
  const { rows, rowCount } = await here.database.query(
    here.database.main,
    'select 1 as one, 2::int8 as two, now() as now',
  );
  expect([rows, rowCount]).toEqual([[{ one: 1, two: 2n, now: expect.any(BigInt) }], 1]);
});
