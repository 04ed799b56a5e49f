import {
  JOB_STATUSES,
  type JobStanding,
  type JobStatus,
  chunkMove,
  hasEnded,
  jobAfterChunk,
  jobMove,
  takesResults,
  waitFactor,
} from './job-state';

const ENDS: readonly JobStatus[] = ['succeeded', 'failed', 'cancelled', 'expired'];

describe('the states of a job', () => {
  const ALLOWED: readonly (readonly [JobStatus, readonly JobStatus[]])[] = [
    ['validating', ['queued', 'cancelling', 'failed']],
    ['queued', ['running', 'cancelling', 'succeeded', 'failed', 'expired']],
    ['running', ['cancelling', 'succeeded', 'failed', 'expired']],
    ['cancelling', ['cancelled']],
    ...ENDS.map((end): [JobStatus, JobStatus[]] => [end, ['queued']]),
  ];

  it.each(ALLOWED)('from %s lead to %j and nowhere else', (from, allowed) => {
    for (const to of JOB_STATUSES) {
      if (allowed.includes(to)) expect(jobMove(from, to)).toBe(to);
      else expect(() => jobMove(from, to)).toThrow(`A job does not go from ${from} to ${to}.`);
    }
  });

  it('end in four, and take results in two', () => {
    expect(JOB_STATUSES.filter(hasEnded)).toEqual(ENDS);
    expect(JOB_STATUSES.filter(takesResults)).toEqual(['running', 'cancelling']);
  });
});

describe('the states of a chunk', () => {
  it.each([
    ['pending', 'done'],
    ['running', 'dead'],
    ['done', 'running'],
    ['done', 'dead'],
    ['dead', 'done'],
  ] as const)('do not lead from %s to %s', (from, to) => {
    expect(() => chunkMove(from, to)).toThrow(`A chunk does not go from ${from} to ${to}.`);
  });

  it('name both ends of a move, so that it cannot be made from elsewhere', () => {
    expect(chunkMove('pending', 'running')).toEqual({ set: "status = 'running'", where: "c.status = 'pending'" });
  });
});

describe(jobAfterChunk.name, () => {
  const running: JobStanding = {
    ...{ status: 'running', succeeded: 0, failed: 0, chunks: 4, chunksDone: 1, maxErrorRate: undefined, runs: true },
  };

  it.each([
    ['goes on while chunks are left', {}, undefined],
    ['succeeds with the last chunk', { chunksDone: 4 }, 'succeeded'],
    ['succeeds though every row failed', { chunksDone: 4, failed: 5000 }, 'succeeded'],
    ['goes on below a thousand rows, whatever failed', { failed: 999, maxErrorRate: 0 }, undefined],
    ['goes on with as many errors as allowed', { succeeded: 900, failed: 100, maxErrorRate: 0.1 }, undefined],
    ['fails with more errors than allowed', { succeeded: 899, failed: 101, maxErrorRate: 0.1 }, 'failed'],
    ['fails with its last chunk, too', { chunksDone: 4, failed: 1000, maxErrorRate: 0.1 }, 'failed'],
    ['stays cancelling while a chunk runs', { status: 'cancelling', chunksDone: 4 }, undefined],
    ['is cancelled when none runs', { status: 'cancelling', runs: false, failed: 5000, maxErrorRate: 0 }, 'cancelled'],
  ] as const)('%s', (_, changes, expected) => {
    expect(jobAfterChunk({ ...running, ...changes })).toBe(expected);
  });
});

describe(waitFactor.name, () => {
  it('doubles each time the queue gave up, up to a limit', () => {
    expect([0, 1, 2, 3, 5, 6, 9, 12, 99].map(waitFactor)).toEqual([1, 1, 1, 2, 2, 4, 8, 16, 16]);
  });
});
