import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { testDatabase } from '@app/testing';

const DIRECTORY = join(__dirname, '../../libs/database/migrations');
const NAMES = readdirSync(DIRECTORY).sort();
/** `timestamp` as a type of its own, without `with time zone` behind it. */
const ZONELESS = /\btimestamp\b(?!\s*(\(\d\))?\s*with\s+time\s+zone)/i;

const withoutComments = (sql: string): string => sql.replace(/--.*$/gm, '').replace(/\/\*.*?\*\//gs, '');

describe('the migrations', () => {
  it('are numbered from 0001 on, without a gap or a double', () => {
    expect(NAMES.map((name) => /^\d{4}(?=_[a-z0-9_]+\.sql$)/.exec(name)?.[0])).toEqual(
      NAMES.map((_, at) => String(at + 1).padStart(4, '0')),
    );
  });

  it.each(NAMES)('have no timestamp without time zone: %s', (name) => {
    expect(withoutComments(readFileSync(join(DIRECTORY, name), 'utf8'))).not.toMatch(ZONELESS);
  });

  it.each([
    ['create table t (at timestamp)', true],
    ['create table t (at timestamp(3) without time zone)', true],
    ['create table t (at timestamp with time zone)', false],
    ['create table t (at timestamptz) -- not a timestamp', false],
  ])('would be refused with it: %s', (sql, isRefused) => {
    expect(ZONELESS.test(withoutComments(sql))).toBe(isRefused);
  });

  it('make no column of that type, however it is spelled', async () => {
    await using here = await testDatabase();
    const sql = `select table_name || '.' || column_name as place from information_schema.columns
      where table_schema = 'quayside' and data_type in ('timestamp without time zone', 'time without time zone')`;
    expect((await here.database.main.query(sql)).rows).toEqual([]);
  });
});
