import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { eventually, temporaryDirectory } from '@app/testing';
import { DEFAULT_MODELS } from '../e2e/door';
import { JobClient } from '../e2e/job-client';
import { CHUNK_ROWS, JobFleet, QUEUE_PLACES } from './job-fleet';
import { ServerProcess } from '../e2e/server-process';
import { RedisServer } from '../integration/redis-server';
import { keepMeasures } from './measures';

const TEXTS = gunzipSync(readFileSync(join(__dirname, '../fixtures/texts.jsonl.gz')))
  .toString()
  .trim()
  .split('\n')
  .map((line) => ({ text: JSON.parse(line) as string }));
const MODEL = 'banking-intents';
/** Of an answer that was computed beside others, by the manifests (`batching.tolerance`). */
const TOLERANCE = 1e-4;
const ROWS_OF_A_REQUEST = 200;

jest.setTimeout(900_000);

/** All numbers and texts of an answer, in order, under their names. */
function leaves(value: unknown, name = ''): readonly (readonly [string, unknown])[] {
  if (typeof value !== 'object' || value === null) return [[name, value]];
  return Object.entries(value).flatMap(([key, each]) => leaves(each, `${name}.${key}`));
}

/** How far the numbers of two answers are from each other at most; infinitely, when anything else differs. */
function distance(one: unknown, other: unknown): number {
  const [ours, theirs] = [leaves(one), leaves(other)];
  if (ours.length !== theirs.length) return Infinity;
  const apart = ours.map(([name, value], at) => {
    const [otherName, otherValue] = theirs[at] ?? [];
    if (name === otherName && typeof value === 'number') return Math.abs(value - Number(otherValue));
    return name === otherName && value === otherValue ? 0 : Infinity;
  });
  return Math.max(0, ...apart);
}

async function predicted(url: string): Promise<readonly unknown[]> {
  const answers: unknown[] = [];
  for (let from = 0; from < TEXTS.length; from += ROWS_OF_A_REQUEST) {
    const response = await fetch(`${url}/v1/models/${MODEL}/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ rows: TEXTS.slice(from, from + ROWS_OF_A_REQUEST) }),
    });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    answers.push(...((await response.json()) as { readonly rows: readonly unknown[] }).rows);
  }
  return answers;
}

describe.each(QUEUE_PLACES)('20,000 texts for banking-intents, with the queue in %s', (queue) => {
  it('have the answers of /predict in order though the worker is killed in the middle', async () => {
    await using redis = queue === 'Redis' ? await RedisServer.start() : undefined;
    const folder = await temporaryDirectory();
    await using server = await ServerProcess.start({
      ...{ HTTP_PROCESSES: '1', JOB_WORKERS: '1', DATABASE_URL: '', MODEL_DIR: DEFAULT_MODELS, DATA_DIR: folder },
      ...(redis && { REDIS_URL: redis.url }),
    });
    const url = await server.ready();
    await server.logged('database_up');
    const client = new JobClient(url);
    const beganAt = performance.now();
    const job = await client.submit(TEXTS, { model: MODEL });
    const seen = new Set<number>();
    await client.until(job.id, ({ counts }) => seen.add(counts.succeeded) && counts.succeeded >= TEXTS.length / 4);
    const killed = await client.show(job.id);
    process.kill(server.workers[0] ?? 0, 'SIGKILL');
    await eventually(() => client.ended(job.id));
    const seconds = Math.round((performance.now() - beganAt) / 1000);
    const ended = await client.show(job.id);
    expect(ended).toMatchObject({ status: 'succeeded', counts: { total: TEXTS.length, succeeded: TEXTS.length } });
    const lines = await client.results(job.id);
    expect(lines.map(({ index, id }) => [index, id])).toEqual(TEXTS.map((_, at) => [at, `r${at}`]));
    const answers = await predicted(url);
    const furthest = Math.max(...lines.map(({ output }, at) => distance(output, answers[at])));
    await keepMeasures(`job-worker-killed-${queue.toLowerCase()}`, {
      ...{ rows: TEXTS.length, rowsWhenKilled: killed.counts.succeeded, countsSeenBefore: seen.size, seconds },
      furthestFromPredict: furthest,
    });
    expect(furthest).toBeLessThanOrEqual(TOLERANCE);
  });
});

describe.each(QUEUE_PLACES)('with the times of an installation, and the queue in %s', (queue) => {
  it('a chunk of a worker that is killed is queued again by another within 45 s', async () => {
    await using fleet = await JobFleet.start({ queue });
    const job = await fleet.submit(fleet.rows(5 * CHUNK_ROWS));
    await fleet.running(job, { running: 2 });
    process.kill(fleet.server.workers[0] ?? 0, 'SIGKILL');
    const killedAt = performance.now();
    await eventually(async () => (await fleet.chunks(job)).some(({ crashes }) => crashes > 0));
    const seconds = (performance.now() - killedAt) / 1000;
    await fleet.expectWhole(job, 5 * CHUNK_ROWS);
    await keepMeasures(`job-chunk-queued-again-${queue.toLowerCase()}`, { seconds: Math.round(seconds * 10) / 10 });
    expect(seconds).toBeLessThan(45);
  });

  it('a frozen PostgreSQL is told within 2 s, and jobs go on within 60 s of its return', async () => {
    await using fleet = await JobFleet.start({ queue });
    const job = await fleet.submit(fleet.rows(5 * CHUNK_ROWS));
    await fleet.running(job);
    const { postgres } = fleet;
    for (const pid of postgres) process.kill(pid, 'SIGSTOP');
    const took: Record<string, number> = {};
    const asked = async (name: string, ask: () => Promise<Response>, status: number): Promise<void> => {
      const beganAt = performance.now();
      const response = await ask();
      await response.text();
      took[name] = Math.round(performance.now() - beganAt);
      expect([name, response.status]).toEqual([name, status]);
    };
    const path = `${fleet.url}/v1/jobs/${job.id}`;
    await Promise.all([
      asked('show', () => fetch(path), 503),
      asked('results', () => fetch(`${path}/results`), 503),
      asked('list', () => fetch(`${fleet.url}/v1/jobs`), 503),
      asked('submit', () => fleet.client.post(fleet.rows(1), { model: 'slow' }), 503),
      asked('cancel', () => fleet.client.act(job.id, 'cancel'), 503),
      asked('predict', () => fleet.predict(), 200),
    ]).finally(() => {
      for (const pid of postgres) process.kill(pid, 'SIGCONT');
    });
    const before = performance.now();
    await fleet.expectWhole(job, 5 * CHUNK_ROWS);
    const endedAfterSeconds = Math.round((performance.now() - before) / 100) / 10;
    await keepMeasures(`job-database-frozen-${queue.toLowerCase()}`, { unit: 'ms', took, endedAfterSeconds });
    expect(Math.max(...Object.values(took))).toBeLessThan(2000);
  });
});
