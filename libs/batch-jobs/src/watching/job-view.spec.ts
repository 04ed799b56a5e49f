import type { JobRecord } from '../records/job-record';
import { jobView, needsModelRate } from './job-view';

const RUNNING = {
  ...{ status: 'running', succeeded: 40, failed: 10, answeredBefore: 30, remaining: 50, total: 100 },
  ...{ startedAtMs: 1000, readAtMs: 11_000, finishedAtMs: undefined },
} as JobRecord;
const pace = (changes: Partial<JobRecord>, modelRate?: number) => {
  const { rate, etaSeconds } = jobView({ ...RUNNING, ...changes }, modelRate);
  return [rate, etaSeconds];
};

describe(jobView, () => {
  it('counts the rows of this attempt alone', () => {
    expect(pace({}, 1000)).toEqual([2, 25]);
    expect(needsModelRate(RUNNING)).toBe(false);
  });

  it('knows the model by other jobs before the first row', () => {
    const fresh = { succeeded: 30, failed: 0, remaining: 70 };
    expect(needsModelRate({ ...RUNNING, ...fresh })).toBe(true);
    expect(pace(fresh, 35)).toEqual([undefined, 2]);
    expect(pace(fresh)).toEqual([undefined, undefined]);
  });

  it('foretells nothing of a job that does not run', () => {
    expect(pace({ status: 'queued', startedAtMs: undefined }, 10)).toEqual([undefined, undefined]);
    expect(pace({ status: 'validating', startedAtMs: undefined, remaining: undefined }, 10)).toEqual([
      undefined,
      undefined,
    ]);
    expect(pace({ status: 'cancelled', finishedAtMs: 6000 })).toEqual([4, undefined]);
  });

  it('says nothing where no time has passed', () => {
    expect(pace({ readAtMs: 1000 })).toEqual([undefined, undefined]);
  });
});
