import { once } from 'node:events';
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { type Socket, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { ServerProcess } from './server-process';

const CLIENTS = 12;
const BODY = JSON.stringify({ inputs: { x: [[1]] } });
const HEAD = `POST /v1/models/adder/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n`;

/** What a client saw until it was told to use another connection. */
interface Outcome {
  readonly answered: number;
  readonly failures: readonly string[];
}

/** Asks again and again on one connection, and obeys nothing but `Connection: close`. */
async function blindClient(url: string, onAnswer: () => void): Promise<Outcome> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let answered = 0;
  try {
    for (;;) {
      const response = await post(url, { agent });
      const body = await text(response);
      if (response.statusCode !== 200) return { answered, failures: [`${response.statusCode} ${body}`] };
      answered += 1;
      onAnswer();
      if (response.headers.connection === 'close') return { answered, failures: [] };
    }
  } catch (error) {
    return { answered, failures: [String(error)] };
  } finally {
    agent.destroy();
  }
}

interface Sent {
  readonly model?: string;
  readonly body?: string;
  readonly agent?: Agent;
}

async function post(url: string, { model = 'adder', body = BODY, agent }: Sent): Promise<IncomingMessage> {
  const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length };
  const sent = httpRequest(`${url}/v1/models/${model}/predict`, { method: 'POST', agent, headers }).end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}

/** A connection that sends `start` and nothing else until it is told; `answer` is all it got. */
async function stuckClient(url: string, start: string): Promise<{ socket: Socket; answer: Promise<string> }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on('error', () => {});
  await once(socket, 'connect');
  socket.write(start);
  return { socket, answer: text(socket).catch(() => '') };
}

// Each signal meets each number of processes once, sent to the group or through npm.
describe.each([
  ['0', 'SIGINT', 'SIGTERM'],
  ['1', 'SIGTERM', 'SIGINT'],
] as const)('stop with HTTP_PROCESSES=%s', (processes, toGroup, toNpm) => {
  const start = (settings: Readonly<Record<string, string>>): Promise<ServerProcess> =>
    ServerProcess.start({ HTTP_PROCESSES: processes, ...settings });

  let models: string;

  beforeEach(async () => {
    models = await temporaryDirectory();
    await writeModel(models, { name: 'adder', model: tiny.adds(1) });
    await writeModel(models, { name: 'slow', model: tiny.slow() });
  });

  it(`loses no request when the whole group gets ${toGroup} under load`, async () => {
    await using server = await start({ MODEL_DIR: models });
    const url = await server.ready();
    let answers = 0;
    const clients = Array.from({ length: CLIENTS }, () => blindClient(url, () => (answers += 1)));
    await eventually(() => answers > 20 * CLIENTS);
    server.signalGroup(toGroup);
    const outcomes = await Promise.all(clients);
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(outcomes.flatMap(({ failures }) => failures)).toEqual([]);
    const answered = outcomes.reduce((sum, outcome) => sum + outcome.answered, 0);
    const logged = server.lines.filter((line) => line['event'] === 'request_completed');
    expect(logged).toHaveLength(answered);
    expect(new Set(logged.map((line) => line['request_id'])).size).toBe(answered);
    expect(server.lines.at(-1)).toMatchObject({ event: 'shutdown_complete', aborted: 0 });
    expect(server.complaint).toBe('');
  });

  it(`stops in order when npm alone gets ${toNpm}`, async () => {
    await using server = await ServerProcess.npmStart({ HTTP_PROCESSES: processes, MODEL_DIR: models });
    await server.ready();
    server.signal(toNpm);
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(server.lines.at(-1)).toMatchObject({ event: 'shutdown_complete' });
  });

  it('goes on serving during the grace, while /ready tells others to stay away', async () => {
    await using server = await start({ MODEL_DIR: models, SHUTDOWN_GRACE_MS: '2000' });
    const url = await server.ready();
    server.signal('SIGTERM');
    await server.logged('shutdown_started');
    const ready = await fetch(`${url}/ready`);
    expect([ready.status, ready.headers.get('connection')]).toEqual([503, 'close']);
    expect(await ready.json()).toMatchObject({ status: 'draining', error: { code: 'shutting_down', retryable: true } });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const outcome = await blindClient(url, () => {});
    expect(outcome).toEqual({ answered: 1, failures: [] });
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  it('answers a request whose body arrives while it stops', async () => {
    await using server = await start({ MODEL_DIR: models });
    const { socket, answer } = await stuckClient(await server.ready(), HEAD);
    await eventually(async () => (await fetch(`${await server.ready()}/health`)).ok);
    server.signal('SIGTERM');
    await server.logged('shutdown_started');
    socket.write(BODY);
    expect(await answer).toMatch(/^HTTP\/1\.1 200 OK[^]*Connection: close[^]*\[\[2\]\]/);
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  it('ends although connections are silent, half a header or half a body, and refuses the last one', async () => {
    await using server = await start({ MODEL_DIR: models });
    const url = await server.ready();
    const silent = await stuckClient(url, '');
    const halfHeader = await stuckClient(url, HEAD.slice(0, 40));
    const halfBody = await stuckClient(url, `${HEAD}{`);
    await eventually(async () => (await fetch(`${url}/health`)).ok);
    server.signal('SIGTERM');
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(await halfBody.answer).toMatch(/^HTTP\/1\.1 503 [^]*"shutting_down"/);
    expect([await silent.answer, await halfHeader.answer]).toEqual(['', '']);
    expect(server.lines.at(-1)).toMatchObject({ event: 'shutdown_complete', aborted: 1 });
  });

  it('refuses what is under way at the second signal, and waits for no run that goes on', async () => {
    await using server = await start({ MODEL_DIR: models, SHUTDOWN_TIMEOUT_MS: '600000' });
    const url = await server.ready();
    const halfBody = await stuckClient(url, `${HEAD}{`);
    const endless = post(url, { model: 'slow', body: '{"inputs":{"trips":[[1000000000]]}}' });
    await eventually(async () => (await fetch(`${url}/health`)).ok);
    server.signalGroup('SIGINT');
    await server.logged('shutdown_started');
    server.signalGroup('SIGINT');
    expect(await halfBody.answer).toMatch(/^HTTP\/1\.1 503 [^]*"shutting_down"/);
    expect((await endless).statusCode).toBe(503);
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  it('lets a run end that began before the signal', async () => {
    await using server = await start({ MODEL_DIR: models });
    const url = await server.ready();
    await post(url, { model: 'slow', body: '{"inputs":{"trips":[[1]]}}' });
    const answer = post(url, { model: 'slow', body: '{"inputs":{"trips":[[30000]]}}' });
    await eventually(async () => (await fetch(`${url}/health`)).ok);
    server.signalGroup('SIGINT');
    expect((await answer).statusCode).toBe(200);
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });
});
