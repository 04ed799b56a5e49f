import { runInThisContext } from 'node:vm';

/** Jest gives tests a copy of the environment; only a write to the process's own one changes its time zone. */
const hostEnv = runInThisContext('process.env') as NodeJS.ProcessEnv;

/** Runs the tests of a `describe` in a time zone, such as `Asia/Kolkata`, and puts the former one back after them. */
export function inTimeZone(zone: string): void {
  const before = hostEnv['TZ'];
  beforeAll(() => {
    hostEnv['TZ'] = zone;
  });
  afterAll(() => {
    if (before === undefined) delete hostEnv['TZ'];
    else hostEnv['TZ'] = before;
  });
}
