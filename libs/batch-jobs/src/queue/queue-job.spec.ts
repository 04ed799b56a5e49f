import fc from 'fast-check';
import { JOB_CLASSES } from '../records/job-record';
import { chunkPriority, queueJobId, queueJobOf } from './queue-job';

const MOST = 2 ** 31 - 1;
const chunk = fc.record({
  jobId: fc.stringMatching(/^[0-9a-f]{32}$/).map((hex) => `job_${hex}`),
  idx: fc.nat(MOST),
  dispatch: fc.nat(MOST),
  class: fc.constantFrom(...JOB_CLASSES),
});

describe(chunkPriority.name, () => {
  it.each([
    ['high', 500, 501],
    ['normal', 0, 524_289],
    ['normal', 500, 524_789],
    ['low', 0, 1_048_577],
    ['low', MOST, 1_572_864],
  ] as const)('of a %s job, chunk %i, is %i', (jobClass, idx, priority) => {
    expect(chunkPriority({ class: jobClass, idx })).toBe(priority);
  });

  it('is never 0, an integer that BullMQ takes, and orders by class, then by what was served', () => {
    fc.assert(
      fc.property(chunk, chunk, (one, other) => {
        const [first, second] = [chunkPriority(one), chunkPriority(other)];
        expect(first).toBeGreaterThanOrEqual(1);
        expect(first).toBeLessThan(2 ** 21);
        expect(Number.isInteger(first)).toBe(true);
        const [class1, class2] = [one, other].map((each) => JOB_CLASSES.indexOf(each.class)) as [number, number];
        if (class1 < class2) expect(first).toBeLessThan(second);
        if (class1 === class2 && one.idx < other.idx) expect(first).toBeLessThanOrEqual(second);
      }),
    );
  });
});

describe(queueJobId.name, () => {
  it('is an id that BullMQ takes, and another one for another chunk or dispatch', () => {
    fc.assert(
      fc.property(chunk, chunk, (one, other) => {
        const id = queueJobId(one);
        expect(id).not.toContain(':');
        expect(id).toMatch(/\D/);
        const isSame = (['jobId', 'idx', 'dispatch'] as const).every((key) => one[key] === other[key]);
        expect(queueJobId(other) === id).toBe(isSame);
      }),
    );
  });
});

describe(queueJobOf.name, () => {
  it('says which chunk, and nothing else', () => {
    fc.assert(
      fc.property(chunk, (each) => {
        const { data, opts } = queueJobOf(each);
        expect(data).toEqual({ jobId: each.jobId, idx: each.idx });
        expect(opts).toMatchObject({ jobId: queueJobId(each), priority: chunkPriority(each), attempts: 3 });
        expect(opts.removeOnComplete).toBe(true);
      }),
    );
  });
});
