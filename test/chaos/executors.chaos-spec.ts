import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { ServerProcess } from '../e2e/server-process';
import { busiestOf, executorsOf, isAlive } from './executor-processes';

/** Long enough that a kill hits a run, short enough that a client sees many. */
const TRIPS = 30_000;
const CLIENTS = 4;
const SETTINGS = { EXECUTOR_COUNT: '2' };

interface Answer {
  readonly status: number;
  readonly body: { readonly outputs?: unknown; readonly error?: { readonly code: string } };
  readonly retryAfter: string | null;
}

let models: string;

beforeAll(async () => {
  models = await temporaryDirectory();
  await writeModel(models, { name: 'slow', model: tiny.slow(), manifest: 'execution: { hard_timeout_ms: 2000 }\n' });
  await writeModel(models, { name: 'adds', model: tiny.adds(1) });
});

async function predict(url: string, model: string, inputs: object): Promise<Answer> {
  const response = await fetch(`${url}/v1/models/${model}/predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs }),
  });
  const body = (await response.json()) as Answer['body'];
  return { status: response.status, body, retryAfter: response.headers.get('retry-after') };
}

const runSlow = (url: string) => predict(url, 'slow', { trips: [[TRIPS]] });

/** Clients that ask again and again until they are told to stop; gives every answer that is not the right one. */
function underLoad(url: string) {
  let stopped = false;
  let answered = 0;
  const strange: Answer[] = [];
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (!stopped) {
      const answer = await runSlow(url);
      answered += 1;
      const right = JSON.stringify(answer.body.outputs) === JSON.stringify({ done: [[TRIPS]] });
      if (answer.status !== 200 || !right) strange.push(answer);
    }
  });
  return {
    get answered() {
      return answered;
    },
    stop: async (): Promise<readonly Answer[]> => {
      stopped = true;
      await Promise.all(clients);
      return strange;
    },
  };
}

/** Sends a signal to an executor that is running something, as soon as there is one. */
async function strikeBusy(serverPid: number, signal: NodeJS.Signals): Promise<number> {
  const seen = new Map<number, number>();
  busiestOf(executorsOf(serverPid), seen);
  const victim = await eventually(() => busiestOf(executorsOf(serverPid), seen)[0] ?? false);
  process.kill(victim, signal);
  return victim;
}

describe('executors', () => {
  it('lose no request to two kills under load: each is answered right, or is a clean 503', async () => {
    await using server = await ServerProcess.start({ ...SETTINGS, MODEL_DIR: models });
    const url = await server.ready();
    await runSlow(url);
    const load = underLoad(url);
    for (let kill = 0; kill < 2; kill += 1) {
      const victim = await strikeBusy(server.pid, 'SIGKILL');
      const answered = load.answered;
      await eventually(() => !isAlive(victim) && load.answered > answered + CLIENTS * 2);
    }
    const strange = await load.stop();
    expect(strange.filter(({ status, body }) => status !== 503 || body.error?.code !== 'executor_crashed')).toEqual([]);
    await expect(runSlow(url)).resolves.toMatchObject({ status: 200 });
    await eventually(() => executorsOf(server.pid).length === 3);
  });

  it('pause a model that they keep dying of, tell when to come back, and serve the others', async () => {
    await using server = await ServerProcess.start({ ...SETTINGS, MODEL_DIR: models });
    const url = await server.ready();
    await runSlow(url);
    const load = underLoad(url);
    const paused = async (): Promise<Answer> => {
      for (;;) {
        const answer = await runSlow(url);
        if (answer.body.error?.code === 'model_unavailable') return answer;
        await strikeBusy(server.pid, 'SIGKILL');
      }
    };
    const answer = await paused();
    await load.stop();
    expect(answer.status).toBe(503);
    expect(Number(answer.retryAfter)).toBeGreaterThan(0);
    await eventually(async () => (await predict(url, 'adds', { x: [[1]] })).status === 200);
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it('are replaced when one hangs: another model is served meanwhile, and its request ends at the hard timeout', async () => {
    await using server = await ServerProcess.start({ ...SETTINGS, MODEL_DIR: models });
    const url = await server.ready();
    const other = (): Promise<Answer> => predict(url, 'adds', { x: [[1]] });
    await Promise.all([runSlow(url), other()]);
    const stuck = predict(url, 'slow', { trips: [[TRIPS * 5]] });
    const victim = await strikeBusy(server.pid, 'SIGSTOP');
    const first = await Promise.race([stuck.then(() => 'stuck'), other().then(({ status }) => status)]);
    expect(first).toBe(200);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    await expect(stuck).resolves.toMatchObject({ status: 504, body: { error: { code: 'deadline_exceeded' } } });
    await eventually(() => !isAlive(victim));
    await expect(runSlow(url)).resolves.toMatchObject({ status: 200 });
  });

  it('do not outlive a server that is killed in mid-run', async () => {
    await using server = await ServerProcess.start({ ...SETTINGS, MODEL_DIR: models });
    const url = await server.ready();
    await runSlow(url);
    const lost = expect(predict(url, 'slow', { trips: [[TRIPS * 5]] })).rejects.toMatchObject({ name: 'TypeError' });
    const seen = new Map<number, number>();
    await eventually(() => busiestOf(executorsOf(server.pid), seen).length > 0);
    const orphans = executorsOf(server.pid);
    server.signal('SIGKILL');
    await lost;
    await eventually(() => orphans.every((pid) => !isAlive(pid)));
  });
});
