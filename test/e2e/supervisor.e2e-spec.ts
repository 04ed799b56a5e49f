import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type Socket, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { cpuQuota } from '@app/inference';
import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { BlindClients } from './blind-clients';
import { childrenOf, isAlive } from './processes';
import { ServerProcess } from './server-process';

const CLIENTS = 12;
const LOAD = { path: '/v1/models/adder/predict', body: JSON.stringify({ inputs: { x: [[1]] } }), clients: CLIENTS };
const FETCH_HEADERS = { 'content-type': 'application/json', connection: 'close' };

/** Sends `start` on a connection of its own; `answer` is all it got. */
async function rawClient(url: string, start: string): Promise<{ socket: Socket; answer: Promise<string> }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on('error', () => {});
  await once(socket, 'connect');
  socket.write(start);
  return { socket, answer: text(socket).catch(() => '') };
}

// Each test starts several processes, some of them twice.
jest.setTimeout(180_000);

describe('several HTTP processes', () => {
  let settings: Readonly<Record<'MODEL_DIR' | 'HTTP_PROCESSES' | 'EXECUTOR_COUNT', string>>;

  beforeEach(async () => {
    const models = await temporaryDirectory();
    await writeModel(models, { name: 'adder', model: tiny.adds(1) });
    settings = { MODEL_DIR: models, HTTP_PROCESSES: '2', EXECUTOR_COUNT: '1' };
  });

  it('serve one port, say once that the server is ready, and number their lines', async () => {
    await using server = await ServerProcess.start({ ...settings, HTTP_PROCESSES: '3' });
    // Which process takes a connection is chance, so there must be many.
    await using load = new BlindClients({ url: await server.ready(), ...LOAD, reconnects: true });
    const served = (): readonly unknown[] =>
      server.lines.filter(({ event }) => event === 'request_completed').map(({ proc }) => proc);
    await eventually(() => new Set(served()).size === 3);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(server.httpProcesses).toHaveLength(3);
    expect(new Set(served())).toEqual(new Set([1, 2, 3]));
    const ready = server.lines.filter(({ event }) => event === 'ready');
    expect(ready).toEqual([expect.objectContaining({ proc: 0, pid: server.pid, models: ['adder'] })]);
    expect(server.complaint).toBe('');
  });

  it('lose only what is inside one that is killed, and replace it', async () => {
    await using server = await ServerProcess.start(settings);
    const url = await server.ready();
    await using load = new BlindClients({ url, ...LOAD });
    await eventually(() => load.answered > 20 * CLIENTS);
    const [victim = 0] = server.httpProcesses;
    const executors = childrenOf(victim, 'executor');
    process.kill(victim, 'SIGKILL');
    expect(await server.logged('http_process_ended')).toMatchObject({ child_pid: victim, signal: 'SIGKILL' });
    const replacement = await server.logged('http_process_ready');
    await eventually(async () => {
      await fetch(`${url}${LOAD.path}`, { method: 'POST', headers: FETCH_HEADERS, body: LOAD.body });
      return server.lines.some(({ pid, event }) => pid === replacement['child_pid'] && event === 'request_completed');
    });
    await load.stop();
    expect(load.failures.length).toBeLessThanOrEqual(CLIENTS);
    expect(load.failures.filter((failure) => !/ECONNRESET|socket hang up|EPIPE/.test(failure))).toEqual([]);
    expect(server.httpProcesses).toHaveLength(2);
    expect(server.httpProcesses).not.toContain(victim);
    await eventually(() => executors.every((pid) => !isAlive(pid)));
  });

  it('are started again when they end before they are ready', async () => {
    await using server = await ServerProcess.start({ ...settings, HTTP_PROCESSES: '1' });
    const [first = 0] = await eventually(() => server.httpProcesses.length === 1 && server.httpProcesses);
    process.kill(first, 'SIGKILL');
    const url = await server.ready();
    expect(await server.logged('http_process_ended')).toMatchObject({ slot: 1, child_pid: first, was_ready: false });
    expect((await fetch(`${url}/ready`)).status).toBe(200);
  });

  it('end the start with one sentence when one of them finds that it cannot', async () => {
    await using server = await ServerProcess.start(settings);
    await eventually(() => server.httpProcesses.length > 0);
    // The supervisor has found it in order; its processes look for themselves.
    await rm(settings.MODEL_DIR, { recursive: true });
    expect(await server.exited).toEqual({ code: 1, signal: null });
    expect(server.complaint).toMatch(/^Quayside cannot start\. One setting is wrong:\n {2}MODEL_DIR must be .*\n$/);
  });

  it('are replaced when their event loop stands still', async () => {
    await using server = await ServerProcess.start({ ...settings, HTTP_HEARTBEAT_TIMEOUT_MS: '6000' });
    await server.ready();
    const [frozen = 0] = server.httpProcesses;
    process.kill(frozen, 'SIGSTOP');
    expect(await server.logged('http_process_silent')).toMatchObject({ child_pid: frozen });
    await server.logged('http_process_ready');
    expect(server.httpProcesses).toHaveLength(2);
    expect(server.httpProcesses).not.toContain(frozen);
  });

  it('share the CPUs, at least one batch each', async () => {
    const { EXECUTOR_COUNT: _unset, ...shared } = settings;
    await using server = await ServerProcess.start(shared);
    await server.ready();
    const spare = 1;
    const executors = Math.max(1, Math.floor(cpuQuota() / 2)) + spare;
    const counts = (): readonly number[] => server.httpProcesses.map((pid) => childrenOf(pid, 'executor').length);
    await eventually(() => expect(counts()).toEqual([executors, executors]));
  });

  it('end with their executors when the supervisor is killed', async () => {
    await using server = await ServerProcess.start(settings);
    await server.ready();
    const orphans = server.httpProcesses.flatMap((pid) => [pid, ...childrenOf(pid, 'executor')]);
    expect(orphans.length).toBeGreaterThanOrEqual(6);
    server.signal('SIGKILL');
    await eventually(() => orphans.every((pid) => !isAlive(pid)));
  });

  it('lose no request when the whole group is stopped under load', async () => {
    await using server = await ServerProcess.start({ ...settings, SHUTDOWN_GRACE_MS: '1000' });
    await using load = new BlindClients({ url: await server.ready(), ...LOAD });
    await eventually(() => load.answered > 20 * CLIENTS);
    server.signalGroup('SIGTERM');
    await server.logged('shutdown_started', { times: 2 });
    await load.stop();
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(load.failures).toEqual([]);
    expect(server.lines.at(-1)).toMatchObject({ event: 'shutdown_complete', proc: 0, aborted: 0 });
    expect(server.lines.filter(({ event }) => event === 'request_completed')).toHaveLength(load.answered);
  });

  it('answer every client of a burst', async () => {
    await using server = await ServerProcess.start({ ...settings, HTTP_PROCESSES: '1' });
    const url = await server.ready();
    const clients = Array.from({ length: 100 }, () =>
      rawClient(url, 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
    );
    const answers = await Promise.all((await Promise.all(clients)).map(({ answer }) => answer));
    expect(answers.filter((answer) => !answer.startsWith('HTTP/1.1 200 OK'))).toEqual([]);
  });

  it('keep the limits of a connection: how many, and how slow', async () => {
    await using server = await ServerProcess.start({
      ...settings,
      HTTP_PROCESSES: '1',
      HTTP_MAX_CONNECTIONS: '5',
      HTTP_HEADERS_TIMEOUT_MS: '1000',
    });
    const url = await server.ready();
    const clients: Awaited<ReturnType<typeof rawClient>>[] = [];
    for (let client = 0; client < 6; client += 1) clients.push(await rawClient(url, 'GET /health HT'));
    const answers = await Promise.all(clients.map(({ answer }) => answer));
    expect(answers.filter((answer) => answer === '')).toHaveLength(1);
    expect(answers.filter((answer) => /^HTTP\/1\.1 408 [^]*"request_timeout"/.test(answer))).toHaveLength(5);
  });
});
