import type { JobRecord, JobView } from '@app/batch-jobs';
import { describeJob, pauseSeconds } from './describe-job';

const RUNNING: JobRecord = {
  id: 'job_1',
  tenant: '',
  status: 'running',
  attempt: 1,
  version: 17,
  class: 'normal',
  model: 'fraud',
  modelVersion: '7',
  digest: 'ab',
  params: {},
  metadata: {},
  total: 1000,
  succeeded: 411,
  failed: 1,
  remaining: 588,
  answeredBefore: 0,
  chunks: 1,
  chunksDone: 0,
  enqueuedTo: 1,
  bodyHash: undefined,
  maxErrorRate: undefined,
  webhookUrl: undefined,
  readAtMs: Date.UTC(2026, 0, 2),
  createdAtMs: Date.UTC(2026, 0, 1),
  startedAtMs: undefined,
  finishedAtMs: undefined,
  deadlineAtMs: undefined,
  cancelRequestedAtMs: undefined,
  resultsExpireAtMs: undefined,
  resultsAreGone: false,
  error: undefined,
  sampleErrors: [],
};
const shown = (changes: Partial<JobRecord> = {}, view: Partial<JobView> = {}) =>
  describeJob({ job: { ...RUNNING, ...changes }, ...view });

describe(describeJob.name, () => {
  it('shows progress at its rate', () => {
    expect(shown({}, { rate: 8200.04, etaSeconds: 71.7 })).toMatchObject({
      created_at: '2026-01-01T00:00:00.000Z',
      counts: { total: 1000, succeeded: 411, failed: 1, remaining: 588 },
      progress: { percent: 41.2, rows_per_second: 8200, eta_seconds: 72 },
    });
  });

  it('knows no share while rows are read, and no rate before the first answer', () => {
    const { counts, progress } = shown({ total: undefined, remaining: undefined, succeeded: 0, failed: 0 });
    expect(counts).toMatchObject({ total: null, remaining: null });
    expect(progress).toEqual({ percent: null, rows_per_second: null, eta_seconds: null });
  });

  it('says 100 percent of the last row only, and of no rows', () => {
    const percent = (total: number, remaining: number) => shown({ total, remaining }).progress.percent;
    expect([percent(1_000_000, 1), percent(1_000_000, 0), percent(0, 0)]).toEqual([99.9, 100, 100]);
  });
});

describe(pauseSeconds.name, () => {
  it.each([
    [undefined, 1],
    [0, 1],
    [95, 10],
    [100_000, 30],
  ])('with %p seconds to go is %d', (etaSeconds, pause) => {
    expect(pauseSeconds({ job: RUNNING, ...(etaSeconds !== undefined && { etaSeconds }) })).toBe(pause);
  });
});
