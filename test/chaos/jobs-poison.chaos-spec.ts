import { join } from 'node:path';
import { temporaryDirectory, tiny, writeModel } from '@app/testing';
import type { ResultLine } from '../e2e/job-client';
import { ServerProcess } from '../e2e/server-process';
import { endOf, readResults, submitLarge } from './large-job';
import { keepMeasures } from './measures';

const ROWS = 100_000;
/** Where each is among the rows, what it holds, and the error that it is to get. See deadly-rows.cjs. */
const BAD = {
  throws: { at: 12_345, index: 9, code: 'inference_failed' },
  killsExecutor: { at: 45_678, index: 1_313_131_301, code: 'worker_crash' },
  killsWorker: { at: 78_901, index: 1_313_131_302, code: 'worker_crash' },
};
const VALUES = [10, 20, 30, 40];

jest.setTimeout(600_000);

it.each(Object.entries(BAD))(
  'gives one error to a row in 100,000 that %s, and answers all others',
  async (name, bad) => {
    const folder = await temporaryDirectory();
    await writeModel(folder, { name: 'rows', model: tiny.failsOnInput(), manifest: 'task: tensors\n' });
    await using server = await ServerProcess.start({
      ...{ MODEL_DIR: folder, DATABASE_URL: '', HTTP_PROCESSES: '1', JOB_WORKERS: '1', JOB_CHUNK_SECONDS: '1' },
      // A worker that died is missed soon.
      ...{ JOB_LEASE_MS: '3000', JOB_HEARTBEAT_MS: '300', JOB_RECONCILE_MS: '500' },
      NODE_OPTIONS: `--require=${join(__dirname, 'deadly-rows.cjs')}`,
    });
    const url = await server.ready();
    await server.logged('database_up');
    const began = performance.now();
    const job = await submitLarge(url, {
      model: 'rows',
      count: ROWS,
      rowAt: (at) => ({ index: [at === bad.at ? bad.index : at % VALUES.length] }),
    });
    const ended = await endOf(url, job);
    const seconds = Math.round((performance.now() - began) / 100) / 10;
    const wrong: ResultLine[] = [];
    let next = 0;
    const lines = await readResults(url, job, (line) => {
      if (line.index !== next || !isRight(line)) wrong.push(line);
      next += 1;
    });
    const died = {
      executors: server.lines.filter(({ event }) => event === 'executor_crashed').length,
      workers: server.lines.filter(({ event }) => event === 'worker_process_ended').length,
    };
    await keepMeasures(`jobs-poison-${name}`, { rows: ROWS, seconds, counts: ended.counts, wrong, died });
    expect(ended).toMatchObject({ status: 'succeeded', counts: { succeeded: ROWS - 1, failed: 1, remaining: 0 } });
    expect(lines).toBe(ROWS);
    expect(wrong).toMatchObject([{ index: bad.at, error: { code: bad.code } }]);
  },
);

function isRight({ index, output }: ResultLine): boolean {
  return JSON.stringify(output) === JSON.stringify({ value: [VALUES[index % VALUES.length]] });
}
