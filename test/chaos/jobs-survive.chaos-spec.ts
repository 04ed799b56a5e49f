import { join } from 'node:path';
import { eventually } from '@app/testing';
import type { JobJson } from '../e2e/job-client';
import { CHUNK_ROWS, JobFleet, QUEUE_PLACES } from './job-fleet';
import { chance } from './chance';

// A server for all tests of a queue; each of them kills, freezes or robs it.
jest.setTimeout(180_000);

/** Much shorter than by default, so that what is lost is found within a test. */
const IMPATIENT = {
  ...{ JOB_LEASE_MS: '2000', JOB_HEARTBEAT_MS: '200', JOB_RECONCILE_MS: '100', JOB_LOOK_AGAIN_MS: '500' },
  ...{ JOB_ORPHAN_AGE_MS: '500', JOB_UPLOADS: '16', SHUTDOWN_TIMEOUT_MS: '8000' },
};
const CLOCK_AHEAD = { NODE_OPTIONS: `--require ${join(__dirname, 'clock-ahead.cjs')}` };

const signal = (pids: readonly number[], name: NodeJS.Signals): void => {
  for (const pid of pids) process.kill(pid, name);
};

describe.each(QUEUE_PLACES)('jobs whose queue is in %s', (queue) => {
  let fleet: JobFleet;
  beforeAll(async () => {
    fleet = await JobFleet.start({ queue, settings: IMPATIENT });
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  it('end whole if they got a 202, whatever process is killed at whatever moment', async () => {
    const dice = chance(jest.getSeed());
    const taken: { readonly job: JobJson; readonly from: number }[] = [];
    for (let round = 0; round < 3; round += 1) {
      const from = 40 * round;
      const submitting = fleet.submit(fleet.rows(2 * CHUNK_ROWS, from)).then((job) => taken.push({ job, from }));
      for (let looks = dice(30); looks > 0; looks -= 1) await fleet.query('select');
      const victims = await eventually(() => fleet.processes.length === 3 && fleet.processes);
      signal([victims[dice(3)] ?? 0], 'SIGKILL');
      await submitting.catch(() => undefined);
    }
    expect(taken.length).toBeGreaterThan(0);
    for (const { job, from } of taken) await fleet.expectWhole(job, 2 * CHUNK_ROWS, from);
  });

  it('go on with the other worker when one is killed in the middle of a chunk', async () => {
    await eventually(() => fleet.processes.length === 3);
    const job = await fleet.submit(fleet.rows(4 * CHUNK_ROWS));
    await fleet.running(job, { running: 2 });
    signal(fleet.server.workers.slice(0, 1), 'SIGKILL');
    await fleet.expectWhole(job, 4 * CHUNK_ROWS);
    expect((await fleet.chunks(job)).reduce((sum, { crashes }) => sum + crashes, 0)).toBeGreaterThan(0);
  });

  it('end whole though all that was queued is lost while ten of them run', async () => {
    const froms = Array.from({ length: 10 }, (_, at) => at * 30);
    const jobs = await Promise.all(froms.map((from) => fleet.submit(fleet.rows(3 * CHUNK_ROWS, from))));
    await eventually(async () => {
      const all = await Promise.all(jobs.map(({ id }) => fleet.client.show(id)));
      return all.every(({ started_at: startedAt }) => startedAt !== null);
    });
    await fleet.loseQueue();
    for (const [at, job] of jobs.entries()) await fleet.expectWhole(job, 3 * CHUNK_ROWS, froms[at]);
  });

  it('lose no row and double none when connections break while chunks are committed', async () => {
    const job = await fleet.submit(fleet.rows(5 * CHUNK_ROWS));
    for (let done = 0; done < 4; done += 1) {
      await fleet.running(job, { done, running: 0 });
      await fleet.loseConnections();
    }
    await fleet.expectWhole(job, 5 * CHUNK_ROWS);
  });

  it('lose no row and double none when PostgreSQL crashes', async () => {
    const job = await fleet.submit(fleet.rows(5 * CHUNK_ROWS));
    await fleet.running(job, { done: 1 });
    signal(fleet.postgres.slice(0, 1), 'SIGKILL');
    await fleet.expectWhole(job, 5 * CHUNK_ROWS);
  });

  it('wait while PostgreSQL is frozen, and so does nobody who asks for them or for a prediction', async () => {
    const job = await fleet.submit(fleet.rows(5 * CHUNK_ROWS));
    await fleet.running(job);
    const frozen = fleet.postgres;
    signal(frozen, 'SIGSTOP');
    const path = `${fleet.url}/v1/jobs/${job.id}`;
    const asked = await Promise.all([
      fetch(path),
      fetch(`${path}/results`),
      fetch(`${fleet.url}/v1/jobs`),
      fleet.client.post(fleet.rows(1), { model: 'slow' }),
      fleet.client.act(job.id, 'cancel'),
      fleet.predict(),
    ]).finally(() => signal(frozen, 'SIGCONT'));
    expect(asked.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503, 200]);
    for (const response of asked) await response.text();
    await fleet.expectWhole(job, 5 * CHUNK_ROWS);
  });

  it('have each row once where the clock of a worker is ahead, and that one comes back after it was given up', async () => {
    const ahead = await fleet.worker(CLOCK_AHEAD);
    const others = await eventually(() => fleet.server.workers.length === 2 && fleet.server.workers);
    signal(others, 'SIGSTOP');
    const job = await fleet.submit(fleet.rows(3 * CHUNK_ROWS));
    await fleet.running(job).finally(() => signal(others, 'SIGCONT'));
    ahead.signal('SIGSTOP');
    await fleet.expectWhole(job, 3 * CHUNK_ROWS);
    ahead.signal('SIGCONT');
    await eventually(async () => expect(await fleet.resultFiles(job)).toHaveLength(3));
    const beside = await fleet.submit(fleet.rows(5 * CHUNK_ROWS, 7));
    await fleet.expectWhole(beside, 5 * CHUNK_ROWS, 7);
    await fleet.expectWhole(job, 3 * CHUNK_ROWS);
    ahead.signal('SIGTERM');
    expect(await ahead.exited).toMatchObject({ code: 0 });
  });

  it('that are cancelled start no other chunk, and keep what was finished', async () => {
    const job = await fleet.submit(fleet.rows(10 * CHUNK_ROWS));
    await fleet.running(job, { done: 2 });
    expect((await fleet.client.act(job.id, 'cancel')).status).toBe(202);
    expect(await fleet.client.ended(job.id)).toMatchObject({ status: 'cancelled' });
    const chunks = await fleet.chunks(job);
    const lines = await fleet.client.results(job.id);
    expect(lines.length).toBeGreaterThanOrEqual(2 * CHUNK_ROWS);
    expect(lines.length).toBeLessThan(10 * CHUNK_ROWS);
    // Workers have come by when the next one has ended.
    const next = await fleet.submit(fleet.rows(2 * CHUNK_ROWS));
    await fleet.expectWhole(next, 2 * CHUNK_ROWS);
    expect(await fleet.chunks(job)).toEqual(chunks);
    fleet.expectLines(lines, lines.length);
  });

  it('go on with the next start after a stop in the middle of chunks, which is no crash, and leaves PostgreSQL to the last', async () => {
    const job = await fleet.submit(fleet.rows(5 * CHUNK_ROWS));
    const long = await fleet.submit(fleet.longRows(CHUNK_ROWS));
    await fleet.running(long);
    fleet.server.signal('SIGTERM');
    expect(await fleet.server.exited).toEqual({ code: 0, signal: null });
    expect(fleet.server.lines.filter(({ event }) => event === 'shutdown_step_failed')).toEqual([]);
    expect(fleet.server.lines.at(-2)).toMatchObject({ event: 'postgres_stopped' });
    await fleet.startAgain();
    expect(await fleet.chunks(long)).toMatchObject([{ crashes: 0, failures: 0 }]);
    expect((await fleet.client.act(long.id, 'cancel')).status).toBe(202);
    await fleet.expectWhole(job, 5 * CHUNK_ROWS);
    await fleet.stop();
  });
});
