import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { temporaryDirectory } from '@app/testing';
import { cpuQuota, memoryLimitBytes } from './cpu-quota';

const V2 = 'cgroup2 /sys/fs/cgroup cgroup2 rw,relatime 0 0\n';
const V1 =
  'cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n' +
  'cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n' +
  'cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n';
const OWN_V1 = '4:memory:/app\n3:cpu,cpuacct:/app\n0::/\n';

/** A file system of its own, by path. */
async function fileSystem(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await temporaryDirectory();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

describe('cpuQuota', () => {
  it.each([
    { what: 'no cgroup at all', files: {}, cpus: 16, quota: 16 },
    {
      what: 'no limit',
      files: { 'proc/self/mounts': V2, 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': 'max 100000\n' },
      cpus: 16,
      quota: 16,
    },
    {
      what: 'a quota of two and a half, floored',
      files: { 'proc/self/mounts': V2, 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '250000 100000\n' },
      cpus: 16,
      quota: 2,
    },
    {
      what: 'a quota below one',
      files: { 'proc/self/mounts': V2, 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '50000 100000\n' },
      cpus: 16,
      quota: 1,
    },
    {
      what: 'the least of the quotas up the tree',
      files: {
        'proc/self/mounts': V2,
        'proc/self/cgroup': '0::/pod/app\n',
        'sys/fs/cgroup/cpu.max': 'max 100000\n',
        'sys/fs/cgroup/pod/cpu.max': '200000 100000\n',
        'sys/fs/cgroup/pod/app/cpu.max': '800000 100000\n',
      },
      cpus: 16,
      quota: 2,
    },
    {
      what: "a path of the host that the container does not have: its root is the container's",
      files: {
        'proc/self/mounts': V2,
        'proc/self/cgroup': '0::/kubepods/burstable/pod1/abc\n',
        'sys/fs/cgroup/cpu.max': '300000 100000\n',
      },
      cpus: 16,
      quota: 3,
    },
    {
      what: 'version 1, beside an empty version 2',
      files: {
        'proc/self/mounts': V1,
        'proc/self/cgroup': OWN_V1,
        'sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us': '400000\n',
        'sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us': '100000\n',
      },
      cpus: 16,
      quota: 4,
    },
    {
      what: 'version 1 without a limit',
      files: {
        'proc/self/mounts': V1,
        'proc/self/cgroup': OWN_V1,
        'sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us': '-1\n',
        'sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us': '100000\n',
      },
      cpus: 8,
      quota: 8,
    },
    {
      what: 'fewer CPUs than the quota',
      files: { 'proc/self/mounts': V2, 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '800000 100000\n' },
      cpus: 2,
      quota: 2,
    },
  ])('$what', async ({ files, cpus, quota }) => {
    const root = await fileSystem(files as Record<string, string>);
    expect(cpuQuota({ root, cpus })).toBe(quota);
  });

  it('gives a whole number of at least one on this machine', () => {
    expect(Number.isInteger(cpuQuota())).toBe(true);
    expect(cpuQuota()).toBeGreaterThanOrEqual(1);
  });
});

describe('memoryLimitBytes', () => {
  it.each([
    { what: 'no cgroup at all', files: {}, limit: 1000 },
    {
      what: 'a limit of version 2',
      files: { 'proc/self/mounts': V2, 'proc/self/cgroup': '0::/a\n', 'sys/fs/cgroup/a/memory.max': '400\n' },
      limit: 400,
    },
    {
      what: 'no limit of version 2',
      files: { 'proc/self/mounts': V2, 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/memory.max': 'max\n' },
      limit: 1000,
    },
    {
      what: 'a limit of version 1',
      files: {
        'proc/self/mounts': V1,
        'proc/self/cgroup': OWN_V1,
        'sys/fs/cgroup/memory/app/memory.limit_in_bytes': '300\n',
      },
      limit: 300,
    },
    {
      what: 'no limit of version 1, which is a very large number',
      files: {
        'proc/self/mounts': V1,
        'proc/self/cgroup': OWN_V1,
        'sys/fs/cgroup/memory/app/memory.limit_in_bytes': '9223372036854771712\n',
      },
      limit: 1000,
    },
  ])('$what', async ({ files, limit }) => {
    const root = await fileSystem(files as Record<string, string>);
    expect(memoryLimitBytes({ root, memoryBytes: 1000 })).toBe(limit);
  });
});
