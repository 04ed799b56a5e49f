import { join } from 'node:path';
import { temporaryDirectory } from '@app/testing';
import { ServerProcess } from '../e2e/server-process';
import { keepMeasures } from './measures';

const MODELS = join(__dirname, '../../models');
const ROUNDS = 5;

/** From `npm start` until the line that says that it is ready, with every default but the port and the data folder. */
async function startToReady(dataDirectory: string): Promise<number> {
  const beganAt = performance.now();
  await using server = await ServerProcess.npmStart({ MODEL_DIR: MODELS, DATA_DIR: dataDirectory });
  await server.ready();
  const tookMs = Math.round(performance.now() - beganAt);
  server.signal('SIGTERM');
  expect(await server.exited).toMatchObject({ code: 0 });
  return tookMs;
}

describe('npm start', () => {
  it('measures how long it takes to be ready with the three models, at first and later', async () => {
    const first: number[] = [];
    const later: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const data = await temporaryDirectory();
      first.push(await startToReady(data));
      later.push(await startToReady(data));
    }
    await keepMeasures('start-to-ready', {
      unit: 'ms',
      'first start, which tries each model in a process of its own': first,
      'every later start': later,
    });
    expect([...first, ...later].every((tookMs) => tookMs > 0)).toBe(true);
  }, 300_000);
});
