import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { BlindClients } from './blind-clients';
import { ServerProcess } from './server-process';

const CLIENTS = 12;
const LOAD = { path: '/v1/models/adder/predict', body: JSON.stringify({ inputs: { x: [[1]] } }), clients: CLIENTS };

/** Resolves when so many processes were put in the place of others. One after the other: each has its time. */
async function rolled(server: ServerProcess, processes: number): Promise<void> {
  for (let count = 1; count <= processes; count += 1) await server.logged('http_process_ready', { times: count });
  await server.logged('rolling_restart_complete');
}

// Each test starts several processes, some of them twice.
jest.setTimeout(180_000);

describe('SIGHUP', () => {
  let models: string;
  let settings: Readonly<Record<string, string>>;

  beforeEach(async () => {
    models = await temporaryDirectory();
    await writeModel(models, { name: 'adder', model: tiny.adds(1) });
    settings = { MODEL_DIR: models, HTTP_PROCESSES: '2', HTTP_REPLACE_GRACE_MS: '500', EXECUTOR_COUNT: '1' };
  });

  it('replaces every process without a failed request, while /ready stays 200', async () => {
    await using server = await ServerProcess.start(settings);
    const url = await server.ready();
    const before = server.httpProcesses;
    await using load = new BlindClients({ url, ...LOAD });
    await using probes = new BlindClients({ url, path: '/ready', clients: 1 });
    await eventually(() => load.answered > 20 * CLIENTS);
    server.signalGroup('SIGHUP');
    await rolled(server, 2);
    const answeredSoFar = load.answered;
    await eventually(() => load.answered > answeredSoFar + 20 * CLIENTS);
    await Promise.all([load.stop(), probes.stop()]);
    expect([...load.failures, ...probes.failures]).toEqual([]);
    expect(server.httpProcesses).toHaveLength(2);
    expect(server.httpProcesses.filter((pid) => before.includes(pid))).toEqual([]);
  });

  it('replaces a single process too, and twice when asked twice', async () => {
    await using server = await ServerProcess.start({ ...settings, HTTP_PROCESSES: '1' });
    await using load = new BlindClients({ url: await server.ready(), ...LOAD });
    server.signal('SIGHUP');
    await server.logged('rolling_restart_started');
    server.signal('SIGHUP');
    await rolled(server, 2);
    await server.logged('rolling_restart_complete', { times: 2 });
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(server.httpProcesses).toHaveLength(1);
  });

  it('leaves the old processes where they are when a new one cannot start', async () => {
    await using server = await ServerProcess.start(settings);
    const url = await server.ready();
    const before = server.httpProcesses;
    await rm(models, { recursive: true });
    server.signal('SIGHUP');
    const aborted = await server.logged('rolling_restart_aborted');
    expect(aborted).toMatchObject({ slot: 1, reason: expect.stringContaining('MODEL_DIR must be a folder') as string });
    expect(server.httpProcesses).toEqual(before);
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it('leaves them too when a new one is not ready in time', async () => {
    await using server = await ServerProcess.start({
      ...settings,
      HTTP_REPLACE_TIMEOUT_MS: '3000',
      MODEL_POLL_INTERVAL_MS: '0',
    });
    const url = await server.ready();
    const before = server.httpProcesses;
    await mkdir(join(models, 'broken', '1'), { recursive: true });
    await writeFile(join(models, 'broken', '1', 'model.onnx'), 'not a model');
    await writeFile(join(models, 'broken', 'model.yaml'), 'pinned: true\n');
    server.signal('SIGHUP');
    const aborted = await server.logged('rolling_restart_aborted');
    expect(aborted).toMatchObject({ slot: 1, reason: 'The new process was not ready within 3000 ms.' });
    await eventually(() => expect(server.httpProcesses).toEqual(before));
    expect((await fetch(`${url}/ready`)).status).toBe(200);
  });

  it('gives way to a stop', async () => {
    await using server = await ServerProcess.start({ ...settings, SHUTDOWN_GRACE_MS: '1000' });
    await using load = new BlindClients({ url: await server.ready(), ...LOAD });
    server.signal('SIGHUP');
    await server.logged('rolling_restart_started');
    server.signal('SIGTERM');
    await server.logged('shutdown_started', { times: 2 });
    await load.stop();
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(server.lines.at(-1)).toMatchObject({ event: 'shutdown_complete', proc: 0, aborted: 0 });
  });
});
