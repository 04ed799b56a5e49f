import { appendFile, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ModelVersion, versionKey } from '@app/model-registry';
import { encodeOnnx, eventually, tiny } from '@app/testing';
import { PoolHarness, floats, integer, numbersOf } from './execution-harness';

const ENDLESS = 1e9;

describe('loading models into executors', () => {
  const write = (pool: PoolHarness, name: string, pinned = false): Promise<ModelVersion> =>
    pool.write(name, tiny.identity('FP32', ['rows', 1]), { manifest: { pinned } });
  const use = async (pool: PoolHarness, version: ModelVersion): Promise<void> => {
    const { outputs } = await pool.run(version, { x: floats([1]) });
    expect(numbersOf(outputs[0]['y'])).toEqual([1]);
  };
  const resident = (pool: PoolHarness): readonly string[] => pool.executor.status().resident.map(({ key }) => key);

  it('loads a version once for 50 callers who want it at the same time, and answers all of them', async () => {
    await using pool = await PoolHarness.start();
    const version = await write(pool, 'cold');
    const callers = Array.from({ length: 50 }, (_, at) => at);
    const answers = await Promise.all(
      callers.map(async (value) => {
        await pool.executor.load(version);
        return pool.run(version, { x: floats([value]) });
      }),
    );
    expect(answers.map(({ outputs }) => numbersOf(outputs[0]['y'])[0])).toEqual(callers);
    expect(pool.countOf('cold', 'probing')).toBe(1);
    expect(pool.countOf('cold', 'loading')).toBe(1);
    expect(pool.executor.status().slots.flatMap(({ holds }) => holds)).toEqual([versionKey(version)]);
  });

  it('reports each step of a load, and what the engine saw', async () => {
    await using pool = await PoolHarness.start();
    const version = await write(pool, 'm');
    await pool.executor.load(version);
    expect(pool.reports.map(({ report }) => report)).toEqual([
      { state: 'probing' },
      { state: 'loading' },
      { state: 'warming' },
      { signature: expect.objectContaining({ outputs: [{ name: 'y', dtype: 'FP32', shape: ['rows', 1] }] }) },
    ]);
  });

  it('keeps no process before one is needed nor when none is, where it is told how long it may be idle', async () => {
    await using pool = await PoolHarness.start({ idleMs: 300 });
    const version = await write(pool, 'm');
    const processes = (): number => pool.executor.status().slots.length;
    expect(processes()).toBe(0);
    for (let time = 1; time <= 2; time += 1) {
      await use(pool, version);
      expect(processes()).toBe(2);
      await eventually(() => expect([processes(), resident(pool)]).toEqual([0, []]));
      expect(pool.countOf('m', 'known')).toBe(time);
    }
  });

  it('lets the least recently used of ten go when an eleventh comes, and says so', async () => {
    await using pool = await PoolHarness.start();
    const versions: ModelVersion[] = [];
    for (let at = 0; at < 11; at += 1) versions.push(await write(pool, `m${at}`));
    for (const version of versions.slice(0, 10)) await pool.executor.load(version);
    await use(pool, versions[0]);
    await pool.executor.load(versions[10]);
    const expected = [2, 3, 4, 5, 6, 7, 8, 9, 0, 10].map((at) => versionKey(versions[at]));
    await eventually(() => expect(resident(pool)).toEqual(expected));
    expect(pool.reports.filter(({ report }) => 'state' in report && report.state === 'known')).toEqual([
      { model: 'm1', report: { state: 'known' } },
    ]);
    await use(pool, versions[1]);
  });

  it('lets neither a pinned nor a running version go, and refuses when there is no other', async () => {
    await using pool = await PoolHarness.start({ maxCached: 2 });
    const pinned = await write(pool, 'pinned', true);
    const slow = await pool.write('slow', tiny.slow(), { execution: { hardTimeoutMs: 1500 } });
    const late = await write(pool, 'late');
    await pool.executor.load(pinned);
    const begun = Promise.withResolvers<void>();
    const running = pool.run(slow, { trips: integer(ENDLESS) }, { onStart: () => begun.resolve() });
    await Promise.race([begun.promise, running]);
    const refused = pool.executor.load(late);
    await expect(refused).rejects.toMatchObject({ code: 'model_capacity', retryAfterMs: expect.any(Number) });
    await expect(running).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await eventually(() => pool.executor.load(late));
    expect(resident(pool)).toEqual([versionKey(pinned), versionKey(late)]);
  });

  it('keeps within its budget of bytes, and refuses for good what is larger than all of it', async () => {
    await using pool = await PoolHarness.start({ memoryBudgetBytes: 60_000_000 });
    const small = await pool.write('small', tiny.large(12_000_000));
    const second = await pool.write('second', tiny.large(12_000_000));
    const third = await pool.write('third', tiny.large(12_000_000));
    const huge = await pool.write('huge', tiny.large(40_000_000));
    for (const version of [small, second, third]) await pool.executor.load(version);
    const { resident: held } = pool.executor.status();
    expect(held.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(60_000_000);
    expect(held.at(-1)!.key).toBe(versionKey(third));
    await expect(pool.executor.load(huge)).rejects.toMatchObject({ code: 'model_load_failed' });
  });

  it('begins no load while what processes hold, what they load and the newcomer are more than the budget', async () => {
    const budget = 60_000_000;
    const bytesOf = new Map<string, number>();
    const held: number[] = [];
    const look = (version: ModelVersion, state: string): void => {
      if (state !== 'loading') return;
      const { slots } = pool.executor.status();
      const keys = [
        ...slots.flatMap(({ holds, doing, state: of }) => (of === 'loading' && doing ? [...holds, doing] : holds)),
        versionKey(version),
      ];
      held.push(keys.reduce((sum, key) => sum + bytesOf.get(key)!, 0));
    };
    await using pool: PoolHarness = await PoolHarness.start({
      concurrency: 2,
      memoryBudgetBytes: budget,
      report: (version, report) => look(version, 'state' in report ? report.state : ''),
    });
    // Weights in the graph count twice before a load: two fit, and a third takes the place of one.
    const sizes = [12_000_000, 12_100_000, 12_200_000, 12_300_000, 12_400_000];
    const versions = await Promise.all(sizes.map((bytes, at) => pool.write(`m${at}`, tiny.large(bytes))));
    versions.forEach((version, at) => bytesOf.set(versionKey(version), sizes[at]));
    const rounds = Array.from({ length: 6 }, (_, round) => [versions[round % 5], versions[(round * 2 + 1) % 5]]);
    for (const together of rounds) {
      await Promise.all(together.map((version) => eventually(() => pool.executor.load(version))));
      const { resident: residents } = pool.executor.status();
      expect(residents.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(budget);
    }
    expect(held.length).toBeGreaterThan(5);
    expect(Math.max(...held)).toBeLessThanOrEqual(budget);
    expect(Math.max(...held)).toBeGreaterThan(budget / 2);
  });

  it('loads no further copy of a busy version for which its budget has no room', async () => {
    await using first = await PoolHarness.start();
    const version = await first.write('large', tiny.large(30_000_000), { execution: { instances: 2 } });
    await first.executor.load(version);
    const directories = {
      modelDirectory: join(first.directory, 'models'),
      probeDirectory: join(first.directory, 'probes'),
    };
    // Known to be small, it is let in; once loaded it is as large as it is.
    const [verdict] = await readdir(directories.probeDirectory);
    const path = join(directories.probeDirectory, verdict);
    const known = JSON.parse(await readFile(path, 'utf8')) as object;
    await writeFile(path, JSON.stringify({ ...known, residentBytes: 1_000_000 }));
    await using narrow = await PoolHarness.start({ ...directories, concurrency: 2, memoryBudgetBytes: 45_000_000 });
    await narrow.executor.load(version);
    const x = floats(Array.from({ length: 1024 }, () => 1));
    await Promise.all(Array.from({ length: 20 }, () => narrow.run(version, { x })));
    const { slots, resident: residents } = narrow.executor.status();
    expect(slots.filter(({ holds }) => holds.length > 0)).toHaveLength(1);
    expect(residents[0].bytes).toBeGreaterThan(20_000_000);
    expect(residents[0].bytes).toBeLessThanOrEqual(45_000_000);
  });

  it('remembers on disk that a version opened well, but not that one failed', async () => {
    await using first = await PoolHarness.start();
    const good = await write(first, 'good');
    const bad = await first.writeBytes('bad', Buffer.from('nonsense'));
    await first.executor.load(good);
    await expect(first.executor.load(bad)).rejects.toMatchObject({ code: 'model_load_failed' });
    const verdicts = await readdir(join(first.directory, 'probes'));
    expect(verdicts).toEqual([expect.stringMatching(new RegExp(`^${good.digest}-ort-1\\.\\d+\\.\\d+-\\w+\\.json$`))]);

    const directories = {
      modelDirectory: join(first.directory, 'models'),
      probeDirectory: join(first.directory, 'probes'),
    };
    await using second = await PoolHarness.start(directories);
    await second.executor.load(good);
    expect(second.countOf('good', 'probing')).toBe(0);
    await expect(second.executor.load(bad)).rejects.toMatchObject({ code: 'model_load_failed' });
    expect(second.countOf('bad', 'probing')).toBe(1);
  });

  it.each([
    { name: 'truncated', bytes: encodeOnnx(tiny.large(10_000).onnx).subarray(0, 5_000) },
    { name: 'empty', bytes: new Uint8Array() },
    { name: 'random', bytes: Uint8Array.from({ length: 5_000 }, (_, at) => (at * 7919) % 256) },
  ])('refuses a $name file in a process of its own, with a reason and without its path', async ({ name, bytes }) => {
    await using pool = await PoolHarness.start();
    const version = await pool.writeBytes(name, bytes);
    const error = await pool.executor.load(version).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'model_load_failed', message: expect.stringMatching(/\S/) });
    expect((error as Error).message).not.toContain(pool.directory);
    expect(pool.executor.status()).toMatchObject({ restarts: 0, resident: [] });
  });

  it('refuses a file that is not the one it was when it was found', async () => {
    await using pool = await PoolHarness.start();
    const version = await write(pool, 'changed');
    await appendFile(version.files.onnx, Buffer.of(0));
    await expect(pool.executor.load(version)).rejects.toMatchObject({
      code: 'model_load_failed',
      message: expect.stringContaining('SHA-256'),
    });
  });

  it.each([{ name: 'crashes' }, { name: 'hangs' }])(
    'loses one throwaway process to a version that $name the engine, and serves the old one on',
    async ({ name }) => {
      const entryPath = join(__dirname, 'execution-crashing-entry.cjs');
      await using pool = await PoolHarness.start({ entryPath, timings: { loadMs: 3_000 } });
      const old = await write(pool, 'old');
      await pool.executor.load(old);
      // Other bytes than the old one: those opened well once.
      const bad = await pool.write(name, tiny.adds(1));
      const loading = pool.executor.load(bad);
      await use(pool, old);
      await expect(loading).rejects.toMatchObject({ code: 'model_load_failed' });
      await use(pool, old);
      expect(pool.executor.status()).toMatchObject({ restarts: 0, resident: [{ key: versionKey(old) }] });
    },
  );

  it('counts a verdict that cannot be read as none', async () => {
    await using pool = await PoolHarness.start();
    const version = await write(pool, 'm');
    await pool.executor.load(version);
    const probes = join(pool.directory, 'probes');
    const [name] = await readdir(probes);
    await writeFile(join(probes, name), '{"residentBytes":');
    await pool.executor.unload(version);
    await pool.executor.load(version);
    expect(pool.countOf('m', 'probing')).toBe(2);
    expect(JSON.parse(await readFile(join(probes, name), 'utf8'))).toEqual({
      residentBytes: expect.any(Number),
      batching: { batchable: true, reason: expect.any(String) },
    });
  });
});
