import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { ServerProcess } from '../e2e/server-process';
import { busiestOf, executorsOf, isAlive } from './executor-processes';
import { keepMeasures, percentiles } from './measures';

const HARD_TIMEOUT_MS = 6_000;
const DEADLINES_MS = Array.from({ length: 40 }, (_, at) => 200 + at * 100);
/** Longer than any deadline here. */
const TRIPS = 2_000_000;

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly tookMs: number;
}

async function ask(url: string, trips: number, deadlineMs: number): Promise<Answer> {
  const beganAt = performance.now();
  const response = await fetch(`${url}/v1/models/slow/predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-timeout-ms': String(deadlineMs) },
    body: JSON.stringify({ inputs: { trips: [[trips]] } }),
  });
  const { error } = (await response.json()) as { readonly error?: { readonly code: string } };
  return { status: response.status, code: error?.code, tookMs: performance.now() - beganAt };
}

describe('deadlines', () => {
  it('are kept within 50 ms while the only process of a model is stopped, which is replaced at its hard timeout', async () => {
    const models = await temporaryDirectory();
    const manifest = `execution: { hard_timeout_ms: ${HARD_TIMEOUT_MS}, instances: 1 }\nbatching: { mode: "off" }\n`;
    await writeModel(models, { name: 'slow', model: tiny.slow(), manifest });
    await using server = await ServerProcess.start({ EXECUTOR_COUNT: '1', MODEL_DIR: models });
    const url = await server.ready();
    // As many connections as are needed below: to open them is not the server's time.
    await Promise.all(DEADLINES_MS.map(() => ask(url, 1, 30_000)));
    const seen = new Map<number, number>();
    busiestOf(executorsOf(server.pid), seen);

    const first = ask(url, TRIPS, 30_000);
    const stopped = await eventually(() => busiestOf(executorsOf(server.pid), seen)[0] ?? false);
    process.kill(stopped, 'SIGSTOP');
    const stoppedAt = performance.now();
    const answers = await Promise.all(DEADLINES_MS.map((deadlineMs) => ask(url, TRIPS, deadlineMs)));
    const lateMs = answers.map(({ tookMs }, at) => tookMs - DEADLINES_MS[at]);
    await expect(first).resolves.toMatchObject({ status: 504, code: 'deadline_exceeded' });
    await eventually(() => !isAlive(stopped));
    const goneAfterMs = performance.now() - stoppedAt;
    const askedAgainAt = performance.now();
    await expect(ask(url, 1, 30_000)).resolves.toMatchObject({ status: 200 });
    await keepMeasures('deadlines', {
      unit: 'ms',
      requests: answers.length,
      'answers later than their deadlines': percentiles(lateMs),
      hardTimeoutMs: HARD_TIMEOUT_MS,
      'from the stop of the process until it is gone': Math.round(goneAfterMs),
      'the next answer after that': Math.round(performance.now() - askedAgainAt),
    });
    expect(answers.filter(({ status, code }) => status !== 504 || code !== 'deadline_exceeded')).toEqual([]);
    expect(Math.max(...lateMs)).toBeLessThanOrEqual(50);
    expect(Math.min(...lateMs)).toBeGreaterThan(-5);
  }, 120_000);
});
