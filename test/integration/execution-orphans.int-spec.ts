import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { eventually, opened, temporaryDirectory, tiny, versionIn, writeModel } from '@app/testing';
import { ENTRY, isThere } from './execution-harness';

const PARENT = join(__dirname, 'execution-orphans-parent.cjs');

describe('executors whose parent is killed', () => {
  it.each([
    { what: 'idle', trips: 0 },
    { what: 'in mid-run', trips: 1e9 },
  ])('leave no process behind when they are $what', async ({ trips }) => {
    const directory = await temporaryDirectory();
    const version = versionIn(await writeModel(join(directory, 'models'), { name: 'slow', model: tiny.slow() }));
    const options = {
      modelDirectory: join(directory, 'models'),
      probeDirectory: join(directory, 'probes'),
      entryPath: ENTRY,
      version,
      trips,
    };
    const closed = opened('pool owner');
    const parent = spawn(process.execPath, [PARENT, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
    const pids = JSON.parse(line) as number[];
    expect(pids.map(isThere)).toEqual([true, true]);
    const gone = once(parent, 'exit');
    parent.kill('SIGKILL');
    await gone;
    closed();
    await eventually(() => pids.every((pid) => !isThere(pid)));
  });
});

describe('a pool without file descriptors', () => {
  it('does not take its process with it, and starts its executors once there are some again', async () => {
    const script = join(__dirname, 'execution-starved.cjs');
    const command = [
      '-c',
      'ulimit -n 64; exec "$@"',
      'sh',
      process.execPath,
      script,
      await temporaryDirectory(),
      ENTRY,
    ];
    const closed = opened('starved pool');
    const starved = spawn('sh', command, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface(starved.stdout), 'line')) as [string];
    const [code] = (await once(starved, 'exit')) as [number];
    closed();
    expect({ line, code }).toEqual({ line: 'recovered', code: 0 });
  });
});
