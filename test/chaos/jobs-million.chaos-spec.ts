import { readFileSync } from 'node:fs';
import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { childrenOf } from '../e2e/processes';
import { ServerProcess } from '../e2e/server-process';
import { endOf, readResults, submitLarge } from './large-job';
import { keepMeasures } from './measures';

const ROWS = 1_000_000;
/** A slow reader rests after so many lines: a few hundred kilobytes, so that the server has to wait for it again and again. */
const LINES_A_GULP = 20_000;
const REST_MS = 200;
const SAMPLE_MS = 500;

jest.setTimeout(900_000);

it('takes, runs and hands out a million rows, to a slow reader too, with 512 MB of heap in every process', async () => {
  const folder = await temporaryDirectory();
  await writeModel(folder, { name: 'adds', model: tiny.adds(1), manifest: 'task: tensors\n' });
  await using server = await ServerProcess.start({
    ...{ MODEL_DIR: folder, DATABASE_URL: '', HTTP_PROCESSES: '1', JOB_WORKERS: '1' },
    NODE_OPTIONS: '--max-old-space-size=512',
  });
  const url = await server.ready();
  await server.logged('database_up');
  const peaks = watchMemory(server);
  const seconds: Record<string, number> = {};
  const timed = async <T>(step: string, work: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const result = await work();
    seconds[step] = Math.round((performance.now() - began) / 100) / 10;
    return result;
  };

  const job = await timed('submit', () =>
    submitLarge(url, { model: 'adds', count: ROWS, rowAt: (at) => ({ x: [at % 1000] }) }),
  );
  const ended = await timed('run', () => endOf(url, job));
  const read = (restMs: number) => async (): Promise<{ readonly lines: number; readonly wrong: number }> => {
    let [next, wrong] = [0, 0];
    const lines = await readResults(url, job, ({ index, output }) => {
      const isRight = index === next && (output as { y?: readonly number[] }).y?.[0] === (next % 1000) + 1;
      if (!isRight) wrong += 1;
      next += 1;
      return restMs > 0 && next % LINES_A_GULP === 0 ? rest(restMs) : undefined;
    });
    return { lines, wrong };
  };
  const fast = await timed('read', read(0));
  const slow = await timed('readSlowly', read(REST_MS));
  const peakMegabytes = peaks.stop();
  const died = server.lines.filter(({ event }) => event === 'worker_process_ended' || event === 'http_process_ended');

  await keepMeasures('jobs-million', { rows: ROWS, seconds, peakMegabytes, counts: ended.counts });
  expect(ended).toMatchObject({ status: 'succeeded', counts: { succeeded: ROWS, failed: 0, remaining: 0 } });
  expect([fast, slow]).toEqual([
    { lines: ROWS, wrong: 0 },
    { lines: ROWS, wrong: 0 },
  ]);
  expect(died).toEqual([]);
});

/** What makes a reader slow. */
async function rest(ms: number): Promise<void> {
  const began = performance.now();
  await eventually(() => performance.now() - began > ms);
}

/** The most that each kind of process holds of memory, in MB, from /proc. */
function watchMemory(server: ServerProcess): { stop(): Readonly<Record<string, number>> } {
  const peaks: Record<string, number> = {};
  const note = (kind: string, pid: number): void => {
    peaks[kind] = Math.max(peaks[kind] ?? 0, residentMegabytes(pid));
  };
  const timer = setInterval(() => {
    for (const pid of server.httpProcesses) note('http', pid);
    for (const pid of server.workers) note('worker', pid);
    for (const parent of server.workers) for (const pid of childrenOf(parent, 'executor')) note('executor', pid);
  }, SAMPLE_MS);
  return {
    stop: () => {
      clearInterval(timer);
      return peaks;
    },
  };
}

function residentMegabytes(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
    return Math.round(Number(kilobytes) / 1024);
  } catch {
    return 0;
  }
}
