import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type TestDatabase, temporaryDirectory, testDatabase } from '@app/testing';
import { DEFAULT_MODELS } from './door';

const ROOT = join(__dirname, '../..');
const VIEW = `
kind: FeatureView
name: applicant_profile
version: 1
entities: [{ name: applicant_id, dtype: STRING }]
features: [{ name: age, dtype: INT64 }, { name: savings, dtype: STRING }]
`;
const MOMENT = '2026-05-01T00:00:00Z';

let here: TestDatabase;
let folder: string;

beforeEach(async () => {
  [here, folder] = [await testDatabase(), await temporaryDirectory()];
  writeFileSync(join(folder, 'views.yaml'), VIEW);
});
afterEach(() => here.close());

/** Exit code and lines of `npm run features -- …`, as npm would run it in the test's folder. */
async function features(args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
  const env = {
    PATH: process.env['PATH'],
    INIT_CWD: folder,
    DATABASE_URL: here.url,
    FEATURE_DIR: folder,
    MODEL_DIR: DEFAULT_MODELS,
    DATA_DIR: folder,
    ...settings,
  };
  const run = promisify(execFile)(process.execPath, ['scripts/features.mjs', ...args], { cwd: ROOT, env });
  const { stdout, stderr, code } = await run.then(
    (done) => ({ ...done, code: 0 }),
    (fault: { stdout: string; stderr: string; code: number }) => fault,
  );
  return { code, out: stdout.trimEnd().split('\n'), told: stderr };
}

describe('npm run features', () => {
  it('plans and applies, tells which models are touched, and refuses other content under a known number', async () => {
    const lines = ['applicant_profile@1  new', '  + age INT64', '  + savings STRING', '  pinned by credit-risk@1'];
    const planned = await features(['plan']);
    expect(planned).toMatchObject({ code: 0, out: [...lines, '1 new, 0 changed in place, 0 unchanged.'] });
    expect(await features(['plan'])).toMatchObject({ code: 0, out: planned.out });
    expect(await features(['apply'])).toMatchObject({ code: 0, out: expect.arrayContaining(['Applied.']) });
    writeFileSync(join(folder, 'views.yaml'), `${VIEW.replace('savings', 'wealth')}---${VIEW.replace('1', '2')}`);
    const refused = await features(['apply']);
    expect(refused.code).toBe(1);
    expect(refused.out.slice(0, 5)).toEqual([
      'applicant_profile@1  REFUSED',
      '  applicant_profile@1 was applied with other content; a version never changes: write a new number',
      '  + wealth STRING',
      '  - savings',
      '  pinned by credit-risk@1',
    ]);
    expect(refused.out).toContain('  credit-risk@1 pins applicant_profile@1, and goes on with it');
    expect(refused.out.at(-1)).toMatch(/refused, 0 faults: nothing can be applied\.$/);
  });

  it('names models whose view nobody declares, and documents with a fault', async () => {
    writeFileSync(join(folder, 'views.yaml'), VIEW.replace('version: 1', 'version: 2').replace('INT64', 'INTEGER'));
    const { code, out } = await features(['plan']);
    expect(code).toBe(1);
    expect(out).toEqual([
      expect.stringMatching(/^FAULT views\.yaml: .*dtype/),
      'MISSING applicant_profile@1: no document declares it, and credit-risk@1 cannot serve',
      '0 new, 0 changed in place, 0 unchanged, 0 refused, 1 faults: nothing can be applied.',
    ]);
  });

  it('pushes a file from where it was typed, and tells each wrong line', async () => {
    const rows = [`a,${MOMENT},30,x`, `b,${MOMENT},thirty,x`, 'c,2026-05-01,30,x', `d,${MOMENT},30`];
    writeFileSync(join(folder, 'rows.csv'), ['applicant_id,event_timestamp,age,savings', ...rows].join('\n'));
    const { code, out, told } = await features(['push', 'applicant_profile', 'rows.csv']);
    expect([code, out]).toEqual([1, ['applicant_profile: 4 rows, 1 written, 0 older than what is stored, 3 rejected']]);
    expect(told).toMatch(/line 3: age .*\nline 4: event_ts .*\nline 5: has 3 cells, and the first line has 4\n/);
    const known =
      '4 rows, 0 written, 0 older than what is stored, 1 pushed before (--again writes them anew), 3 rejected';
    expect((await features(['push', 'applicant_profile', 'rows.csv'])).out).toEqual([`applicant_profile: ${known}`]);
    writeFileSync(join(folder, 'rows.csv'), 'applicant_id,age\na,31\n');
    const moment = ['--event-ts', '2026-05-02T00:00:00Z'];
    expect(await features(['push', 'applicant_profile', 'rows.csv', ...moment])).toMatchObject({ code: 0 });
    const sql = 'select data from feature_online';
    const { rows: stored } = await here.database.query<{ data: string }>(here.database.main, sql);
    expect(stored.map(({ data }) => JSON.parse(data) as unknown)).toEqual([{ age: '31' }]);
  });

  it.each([
    [['push', 'nobody', 'views.yaml'], {}, 1, 'No feature view is called "nobody"'],
    [['push', 'applicant_profile', 'none.csv'], {}, 1, 'The file cannot be read: ENOENT.'],
    [['plan'], { DATABASE_URL: 'none' }, 1, 'There is no database'],
    [['plan'], { FEATURE_READ_TIMEOUT_MS: 'soon' }, 1, 'FEATURE_READ_TIMEOUT_MS'],
    [['plan', 'more'], {}, 2, 'plan takes nothing else.'],
    [['push', 'applicant_profile'], {}, 2, 'push takes a view and a file.'],
    [['plan', '--force'], {}, 2, "Unknown option '--force'"],
    [[], {}, 2, 'Say plan, apply or push.'],
  ])('says of %j with %j what is wrong', async (args, settings, code, says) => {
    const ended = await features(args, settings);
    expect([ended.code, ended.told]).toEqual([code, expect.stringContaining(says)]);
    expect(ended.told).not.toContain('    at ');
  });
});
