import { mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ManualClock, eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { FolderModelRegistry } from './folder-model-registry';
import type { VersionStatus } from './model-registry';

const POLL_MS = 2000;

describe(FolderModelRegistry.name, () => {
  let directory: string;
  let clock: ManualClock;
  let problems: string[];
  let registry: FolderModelRegistry;

  beforeEach(async () => {
    directory = await temporaryDirectory();
    clock = new ManualClock();
    problems = [];
    registry = open(POLL_MS);
  });
  afterEach(() => registry.close());

  const open = (pollIntervalMs: number, loadsPinned = true) =>
    new FolderModelRegistry({
      ...{ directory, pollIntervalMs, loadsPinned, clock },
      onProblem: (message) => problems.push(message),
    });
  const put = (name: string, version = '1', amount = 1) =>
    writeModel(directory, { name, version, model: tiny.adds(amount) });
  const names = () => registry.list().map(({ model }) => model);
  const version = (model: string, name: string): VersionStatus | undefined =>
    registry
      .list()
      .find((other) => other.model === model)
      ?.versions.find((other) => other.version === name);
  /** Lets one poll happen, and waits until it set the timer for the next. */
  const poll = async (): Promise<void> => {
    await clock.advance(POLL_MS);
    await eventually(() => clock.pending === 1);
  };

  it('takes at once what is there when it starts', async () => {
    await put('a');
    await registry.start();
    expect(names()).toEqual(['a']);
    expect(registry.list()[0]?.createdAtMs).toBeGreaterThan(0);
  });

  it('says model_not_ready, and not that there is no such model, until the folder was read once', async () => {
    await put('a');
    const starting = registry.start();
    const reference = { model: 'a', version: undefined };
    for (const ask of [() => registry.resolve(reference), () => registry.status('a')]) {
      expect(ask).toThrow(expect.objectContaining({ code: 'model_not_ready', retryAfterMs: 1000 }));
    }
    await expect(registry.serve(reference)).rejects.toMatchObject({ code: 'model_not_ready', retryAfterMs: 1000 });
    await starting;
    expect(registry.resolve(reference)).toMatchObject({ model: 'a' });
    expect(registry.status('a')).toMatchObject({ model: 'a' });
  });

  it('takes a model that a stranger drops, without a manifest, once it looked the same in two polls', async () => {
    await registry.start();
    await put('mymodel');
    await poll();
    expect(names()).toEqual([]);
    await poll();
    await expect(registry.serve({ model: 'mymodel', version: undefined })).resolves.toMatchObject({ task: 'tabular' });
  });

  it('waits while a copy grows', async () => {
    await registry.start();
    const folder = await put('a');
    for (let sizeBytes = 1; sizeBytes <= 3; sizeBytes++) {
      await truncate(join(folder, 'model.onnx'), sizeBytes);
      await poll();
      expect(names()).toEqual([]);
    }
    await poll();
    expect(version('a', '1')?.state).toBe('failed');
  });

  it('keeps the old version and shows the reason when a bad new one is dropped, then takes the repaired one', async () => {
    await put('a');
    await registry.start();
    await registry.serve({ model: 'a', version: undefined });
    const folder = await put('a', '2', 2);
    await truncate(join(folder, 'model.onnx'), 100);
    await poll();
    await poll();
    expect(version('a', '2')).toMatchObject({ state: 'failed', reason: expect.stringContaining('cut off') });
    expect(registry.resolve({ model: 'a', version: undefined }).version).toBe('1');
    await put('a', '2', 2);
    await poll();
    await poll();
    await eventually(() => registry.resolve({ model: 'a', version: undefined }).version === '2');
  });

  it('reads nothing again while nothing changes, and looks no more once it is closed', async () => {
    await put('a');
    await registry.start();
    const before = registry.resolve({ model: 'a', version: undefined });
    await poll();
    await poll();
    expect(registry.resolve({ model: 'a', version: undefined })).toBe(before);
    await registry.close();
    await registry.close();
    expect(clock.pending).toBe(0);
  });

  it('looks only once where polling is off', async () => {
    registry = open(0);
    await registry.start();
    expect(clock.pending).toBe(0);
  });

  it('moves a label without loading anything again', async () => {
    await put('a');
    await put('a', '2', 2);
    await registry.start();
    const before = registry.resolve({ model: 'a', version: undefined });
    await writeFile(join(directory, 'a', 'model.yaml'), 'labels: { stable: "1" }');
    await poll();
    await poll();
    expect(registry.resolve({ model: 'a', version: 'stable' }).version).toBe('1');
    expect(registry.resolve({ model: 'a', version: undefined })).toBe(before);
  });

  it('goes on with what it has when the manifest of a model becomes wrong', async () => {
    await put('a');
    await registry.start();
    const before = await registry.serve({ model: 'a', version: undefined });
    await writeFile(join(directory, 'a', 'model.yaml'), 'pined: true');
    await poll();
    await poll();
    expect(await registry.serve({ model: 'a', version: undefined })).toBe(before);
    expect(version('a', '1')).toMatchObject({ state: 'ready', reason: expect.stringContaining('unknown key "pined"') });
  });

  it('keeps what it has while the folder is missing, and says so once', async () => {
    await put('a');
    await registry.start();
    await rename(directory, `${directory}.away`);
    for (let polls = 0; polls < 3; polls++) await poll();
    expect(names()).toEqual(['a']);
    expect(problems).toEqual(['The models folder cannot be read; everything stays as it was']);
    await rename(`${directory}.away`, directory);
    await put('b');
    await poll();
    await poll();
    expect(names()).toEqual(['a', 'b']);
  });

  it('lets a removed model go after two polls', async () => {
    await put('a');
    await registry.start();
    await rm(join(directory, 'a'), { recursive: true });
    await poll();
    expect(names()).toEqual(['a']);
    await poll();
    await eventually(() => names().length === 0);
  });

  it('refuses to start on a folder that is not there', async () => {
    await rm(directory, { recursive: true });
    await expect(registry.start()).rejects.toThrow('is missing or cannot be read');
  });

  it('ignores what is no version, and tells of what looks like a mistake', async () => {
    await put('a');
    await put('.hidden');
    await put('stats');
    await put('bad name');
    await writeFile(join(directory, 'a', 'golden.jsonl'), '{}');
    await mkdir(join(directory, 'a', 'assets'));
    await mkdir(join(directory, 'a', '.2'));
    await symlink(join(directory, 'a'), join(directory, 'link'));
    await mkdir(join(directory, 'flat'));
    await writeFile(join(directory, 'flat', 'model.onnx'), '');
    await registry.start();
    expect(registry.list().map(({ model, versions }) => [model, versions.length])).toEqual([['a', 1]]);
    expect(problems.map((problem) => problem.split(' ')[0]).sort()).toEqual([
      '"bad',
      '"flat/model.onnx"',
      '"link"',
      '"stats"',
    ]);
  });

  it('fails a version alone that is a link or has no model', async () => {
    const real = await put('a');
    await symlink(real, join(directory, 'a', '2'));
    await mkdir(join(directory, 'a', '3'));
    await registry.start();
    expect(version('a', '2')).toMatchObject({ state: 'failed', reason: expect.stringContaining('symbolic link') });
    expect(version('a', '3')).toMatchObject({ state: 'failed', reason: 'there is no model.onnx in its folder' });
    expect(registry.resolve({ model: 'a', version: undefined }).version).toBe('1');
  });

  it('starts none that is pinned where it is told so, and gives it the same digest', async () => {
    await writeModel(directory, { name: 'a', model: tiny.adds(1), manifest: 'pinned: true' });
    await writeFile(join(directory, 'a', 'model.yaml'), 'pinned: true');
    const lazy = open(POLL_MS, false);
    await Promise.all([registry.start(), lazy.start()]);
    const [found, other] = [registry, lazy].map((each) => each.resolve({ model: 'a', version: '1' }));
    expect(other?.digest).toBe(found?.digest);
    expect(lazy.status('a')).toMatchObject({ pinned: false, versions: [{ state: 'known' }] });
    expect(await lazy.serve({ model: 'a', version: '1' })).toMatchObject({ manifest: { pinned: false } });
    await lazy.close();
  });

  it('starts all versions that are pinned by their own manifest', async () => {
    await writeModel(directory, { name: 'a', model: tiny.adds(1), manifest: 'pinned: true' });
    await registry.start();
    await eventually(() => version('a', '1')?.state === 'ready');
  });
});
