import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { BlindClients } from '../e2e/blind-clients';
import { childrenOf, isAlive } from '../e2e/processes';
import { ServerProcess } from '../e2e/server-process';
import { keepMeasures } from './measures';

const PROCESSES = 4;
const ROLLS = 10;
const ROLL_DEADLINE_MS = 300_000;
const REQUESTS = 50_000;
const CLIENTS = 40;
const LOAD = { path: '/v1/models/adder/predict', body: JSON.stringify({ inputs: { x: [[1]] } }), clients: CLIENTS };

jest.setTimeout(1_800_000);

let settings: Readonly<Record<string, string>>;

beforeAll(async () => {
  const models = await temporaryDirectory();
  await writeModel(models, { name: 'adder', model: tiny.adds(1) });
  settings = { MODEL_DIR: models, HTTP_PROCESSES: String(PROCESSES), EXECUTOR_COUNT: '1' };
});

/** Replaces every process once; `count` is how many times that was done then. Gives how long it took. */
async function roll(server: ServerProcess, count: number): Promise<number> {
  server.signal('SIGHUP');
  const complete = await server.logged('rolling_restart_complete', { times: count, withinMs: ROLL_DEADLINE_MS });
  return Number(complete['duration_ms']);
}

describe('four HTTP processes', () => {
  it('are replaced ten times and more without a failed one of 50,000 requests', async () => {
    await using server = await ServerProcess.start(settings);
    await using load = new BlindClients({ url: await server.ready(), ...LOAD });
    const rollMs: number[] = [];
    while (rollMs.length < ROLLS || load.answered < REQUESTS) rollMs.push(await roll(server, rollMs.length + 1));
    await load.stop();
    const { answered, failures } = load;
    await keepMeasures('rolling-restart', {
      processes: PROCESSES,
      clients: CLIENTS,
      rollMs,
      answered,
      failed: failures.length,
    });
    expect(load.failures).toEqual([]);
    // The last lines are written when the server ends.
    server.signal('SIGTERM');
    expect(await server.exited).toEqual({ code: 0, signal: null });
    const logged = server.lines.filter(({ event }) => event === 'request_completed');
    expect(new Set(logged.map(({ request_id }) => request_id)).size).toBe(load.answered);
  });

  it('lose what is inside one that is killed, and nothing else, and have another in its place', async () => {
    const measured: Record<string, object> = {};
    for (const clients of [CLIENTS, 0]) {
      await using server = await ServerProcess.start(settings);
      await using load = new BlindClients({ url: await server.ready(), ...LOAD, clients });
      await eventually(() => load.answered >= clients);
      const [victim = 0] = server.httpProcesses;
      process.kill(victim, 'SIGKILL');
      const ended = Date.parse(String((await server.logged('http_process_ended'))['time']));
      const replaced = Date.parse(String((await server.logged('http_process_ready'))['time']));
      await load.stop();
      const { answered, failures } = load;
      measured[`${clients} clients`] = { answered, failed: failures.length, replacedAfterMs: replaced - ended };
      expect(failures.length).toBeLessThanOrEqual(clients);
      expect(server.httpProcesses).toHaveLength(PROCESSES);
    }
    await keepMeasures('http-process-killed', { processes: PROCESSES, ...measured });
  });

  it('end with their executors when the supervisor is killed under load', async () => {
    await using server = await ServerProcess.start(settings);
    await using load = new BlindClients({ url: await server.ready(), ...LOAD });
    await eventually(() => load.answered > CLIENTS);
    const orphans = server.httpProcesses.flatMap((pid) => [pid, ...childrenOf(pid, 'executor')]);
    const killedAt = performance.now();
    server.signal('SIGKILL');
    await eventually(() => orphans.every((pid) => !isAlive(pid)));
    const goneAfterMs = Math.round(performance.now() - killedAt);
    await load.stop();
    await keepMeasures('supervisor-killed', { orphans: orphans.length, goneAfterMs });
    expect(orphans.filter(isAlive)).toEqual([]);
  });
});
