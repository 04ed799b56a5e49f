import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { BlindClients } from '../e2e/blind-clients';
import { ServerProcess } from '../e2e/server-process';
import { executorsOf } from './executor-processes';

const PERIOD_US = 100_000;
const SPARE = 1;
const ROOT_V1 = '/sys/fs/cgroup/cpu';
const ROOT_V2 = '/sys/fs/cgroup';

/** A control group that gives its processes so much time of the CPUs, and no fewer CPUs. It must be empty to go. */
class CpuGroup implements Disposable {
  private readonly folder: string;

  constructor(cpus: number) {
    this.folder = join(existsSync(join(ROOT_V1, 'tasks')) ? ROOT_V1 : ROOT_V2, `quayside-test-${process.pid}`);
    mkdirSync(this.folder);
    if (this.folder.startsWith(ROOT_V1)) {
      this.write('cpu.cfs_period_us', PERIOD_US);
      this.write('cpu.cfs_quota_us', cpus * PERIOD_US);
    } else this.write('cpu.max', `${cpus * PERIOD_US} ${PERIOD_US}`);
  }

  /** Whether this machine lets us make one: as root, and with the controller for CPUs. */
  static get isPossible(): boolean {
    try {
      const isV1 = existsSync(join(ROOT_V1, 'tasks'));
      accessSync(isV1 ? ROOT_V1 : ROOT_V2, constants.W_OK);
      return isV1 || readFileSync(join(ROOT_V2, 'cgroup.subtree_control'), 'utf8').split(/\s/).includes('cpu');
    } catch {
      return false;
    }
  }

  /** Takes a process in, and all that it starts from now on. */
  take(pid: number): void {
    this.write('cgroup.procs', pid);
  }

  [Symbol.dispose](): void {
    rmdirSync(this.folder);
  }

  private write(file: string, value: number | string): void {
    writeFileSync(join(this.folder, file), String(value));
  }
}

(CpuGroup.isPossible && availableParallelism() > 1 ? describe : describe.skip)('a server with a quota of CPUs', () => {
  it('runs as many batches at once as its quota has CPUs, though the machine has more', async () => {
    const quota = availableParallelism() - 1;
    const models = await temporaryDirectory();
    await writeModel(models, { name: 'slow', model: tiny.slow() });
    using group = new CpuGroup(quota);
    await using server = await ServerProcess.start({ MODEL_DIR: models });
    // Long before it looks for its quota: it has not begun to load its code.
    group.take(server.pid);
    const url = await server.ready();
    const path = '/v1/models/slow/predict';
    const body = JSON.stringify({ inputs: { trips: [[500]] } });
    await using load = new BlindClients({ url, path, body, clients: 8 });
    await eventually(() => load.answered > 100);
    expect(executorsOf(server.pid)).toHaveLength(quota + SPARE);
    await load.stop();
    expect(load.failures).toEqual([]);
    server.signal('SIGTERM');
    await server.exited;
    await eventually(() => executorsOf(server.pid).length === 0);
  }, 120_000);
});
