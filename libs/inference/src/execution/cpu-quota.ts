import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join } from 'node:path';

/** Where the limits of this process stand; tests give a folder of their own. */
export interface LimitSource {
  /** Root of the file system. Default `/`. */
  readonly root?: string;
  /** What the machine has, when no limit says less. */
  readonly cpus?: number;
  readonly memoryBytes?: number;
}

/**
 * How many CPUs this process may use at once: the least of `cpu.max` up the cgroup v2 tree, the v1 quota up its tree,
 * and the CPUs it can see; rounded down, at least 1.
 */
export function cpuQuota({ root = '/', cpus = availableParallelism() }: LimitSource = {}): number {
  const quotas = cgroupFolders(root).flatMap(({ version, folder }) => {
    const [quota, period] =
      version === 2
        ? readPair(folder)
        : [readNumber(folder, 'cpu.cfs_quota_us'), readNumber(folder, 'cpu.cfs_period_us')];
    return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? [quota / period] : [];
  });
  return Math.max(1, Math.floor(Math.min(cpus, ...quotas)));
}

/** How much memory this process and its children may use, in bytes: the least of the cgroup limits and the RAM. */
export function memoryLimitBytes({ root = '/', memoryBytes = totalmem() }: LimitSource = {}): number {
  const limits = cgroupFolders(root).flatMap(({ version, folder }) => {
    const limit = readNumber(folder, version === 2 ? 'memory.max' : 'memory.limit_in_bytes');
    return limit !== undefined && limit > 0 ? [limit] : [];
  });
  return Math.min(memoryBytes, ...limits);
}

/** A folder of the cgroup file system that limits this process. */
interface CgroupFolder {
  readonly version: 1 | 2;
  readonly folder: string;
}

/**
 * Every folder from the process's own cgroups up to their roots. In a container the path in `/proc/self/cgroup` may be
 * the host's, while the mount shows the container's own cgroup as its root: folders that are not there are just empty.
 */
function cgroupFolders(root: string): CgroupFolder[] {
  const mounts = lines(join(root, 'proc/self/mounts')).map((line) => line.split(' '));
  return lines(join(root, 'proc/self/cgroup')).flatMap((line) => {
    const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const version = controllers === '' ? 2 : 1;
    const mount = mounts.find(([, , type, options = '']) =>
      version === 2 ? type === 'cgroup2' : type === 'cgroup' && sharesController(controllers, options),
    );
    if (!mount?.[1]) return [];
    return upward(path).map((at) => ({ version, folder: join(root, mount[1], at) }) as const);
  });
}

function sharesController(controllers: string, options: string): boolean {
  const wanted = controllers.split(',').filter((name) => name === 'cpu' || name === 'memory');
  return wanted.some((name) => options.split(',').includes(name));
}

function upward(path: string): string[] {
  const paths = ['/'];
  for (let at = path; at !== '/' && at !== '.'; at = dirname(at)) paths.push(at);
  return paths;
}

/** `cpu.max` holds quota and period; the quota `max` is none. */
function readPair(folder: string): [number | undefined, number | undefined] {
  const [quota, period] = (lines(join(folder, 'cpu.max'))[0] ?? '').split(' ');
  return [toNumber(quota), toNumber(period)];
}

function readNumber(folder: string, file: string): number | undefined {
  return toNumber(lines(join(folder, file))[0]);
}

function toNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
