import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { ServerProcess } from './server-process';

const STACK_TRACE = /\n\s+at /;

/** The parts of a probe's body that these tests look at. */
interface Probe {
  readonly status: string;
  readonly error?: { readonly code: string; readonly request_id: string };
  readonly components: { readonly models: { readonly status: string; readonly reason: string } };
}

async function probe(url: string, path: string): Promise<{ status: number; body: Probe; requestId: string | null }> {
  const response = await fetch(`${url}${path}`);
  return {
    status: response.status,
    body: (await response.json()) as Probe,
    requestId: response.headers.get('x-request-id'),
  };
}

// One behind the supervisor is what most other suites start.
describe.each(['0', '2'])('start with HTTP_PROCESSES=%s', (processes) => {
  const start = (settings: Readonly<Record<string, string>> = {}): Promise<ServerProcess> =>
    ServerProcess.start({ HTTP_PROCESSES: processes, ...settings });

  it('lists every wrong setting, opens no port, and exits with 1', async () => {
    await using server = await start({
      HTTP_PORT: '80x',
      LOG_LEVEL: 'loud',
      MODEL_DIR: '/no/such/folder',
    });
    expect(await server.exited).toEqual({ code: 1, signal: null });
    expect(server.complaint.split('\n')).toEqual([
      'Quayside cannot start. 3 settings are wrong:',
      expect.stringMatching(/^ {2}HTTP_PORT must be a whole number from 0 to 65535\. /),
      expect.stringMatching(/^ {2}LOG_LEVEL must be one of /),
      expect.stringMatching(/^ {2}MODEL_DIR must be a folder that exists .*no such folder/),
      '',
    ]);
    expect(server.lines).toEqual([]);
  });

  it('says that its port is taken, and exits with 1', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await using server = await start({ HTTP_PORT: String(port) });
    const exit = await server.exited;
    other.close();
    expect(exit).toEqual({ code: 1, signal: null });
    expect(server.complaint).toBe(
      `Quayside cannot start. Port ${port} of 127.0.0.1 is taken: stop what listens there, or set HTTP_PORT (0 takes a free one).\n`,
    );
  });

  it('says that its host is not of this machine, and exits with 1', async () => {
    await using server = await start({ HTTP_HOST: '203.0.113.1' });
    expect(await server.exited).toEqual({ code: 1, signal: null });
    expect(server.complaint).toMatch(
      /^Quayside cannot start\. HTTP_HOST 203\.0\.113\.1 is no address of this machine: .*\n$/,
    );
    expect(server.complaint).not.toMatch(STACK_TRACE);
  });

  it('answers probes before it is ready, and stays unready while a pinned model fails', async () => {
    const folder = await temporaryDirectory();
    await mkdir(join(folder, 'broken', '1'), { recursive: true });
    await writeFile(join(folder, 'broken', '1', 'model.onnx'), 'not a model');
    await writeFile(join(folder, 'broken', '1', 'model.yaml'), 'pinned: true\n');
    await writeFile(join(folder, 'broken', 'model.yaml'), 'pinned: true\n');
    await using server = await start({ MODEL_DIR: folder });
    const url = await server.listening();
    const ready = await probe(url, '/ready');
    expect(ready).toMatchObject({ status: 503, body: { status: 'starting', error: { code: 'not_ready' } } });
    expect(ready.body.error?.request_id).toBe(ready.requestId);
    expect(ready.body.components.models).toEqual({ status: 'down', reason: 'Not ready: broken.' });
    expect(await probe(url, '/startup')).toMatchObject({ status: 503 });
    expect(await probe(url, '/health')).toMatchObject({ status: 200, body: { status: 'starting' } });
    await eventually(() =>
      expect(server.lines).toContainEqual(expect.objectContaining({ request_id: ready.requestId, status: 503 })),
    );
  });

  it('is not ready without any model, unless it may be empty', async () => {
    await using empty = await start();
    expect(await probe(await empty.listening(), '/ready')).toMatchObject({ status: 503 });
    await using allowed = await start({ MODEL_ALLOW_EMPTY: 'true' });
    expect(await probe(await allowed.ready(), '/ready')).toMatchObject({ status: 200, body: { status: 'ready' } });
  });

  it('says once where it serves what, and creates its data folder', async () => {
    const folder = await temporaryDirectory();
    await writeModel(join(folder, 'models'), { name: 'adder', model: tiny.adds(1) });
    await using server = await start({
      MODEL_DIR: join(folder, 'models'),
      DATA_DIR: join(folder, 'data'),
    });
    const url = await server.ready();
    expect(server.lines.filter((line) => line['event'] === 'ready')).toEqual([
      expect.objectContaining({ level: 'info', address: url, docs: `${url}/docs`, models: ['adder'] }),
    ]);
    expect(await readdir(folder)).toContain('data');
    expect(await probe(url, '/ready')).toMatchObject({ status: 200 });
    expect(server.complaint).toBe('');
  });

  it('warns when it listens off loopback', async () => {
    await using server = await start({ HTTP_HOST: '0.0.0.0', MODEL_ALLOW_EMPTY: 'true' });
    await server.ready();
    expect(await server.logged('open_to_network')).toMatchObject({ level: 'warn', host: '0.0.0.0' });
  });

  it('ends at once when it is stopped while it starts', async () => {
    await using server = await start();
    server.signal('SIGTERM');
    const { code, signal } = await server.exited;
    expect(code === 0 || signal === 'SIGTERM').toBe(true);
    expect(server.complaint).toBe('');
  });
});
