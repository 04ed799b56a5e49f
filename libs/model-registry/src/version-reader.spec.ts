import { appendFile, link, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TinyModel, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { parseManifest } from './manifest-schema';
import type { ModelVersion } from './model-version';
import { readVersion } from './version-reader';

const OTHER_HASH = 'ab'.repeat(32);

describe(readVersion.name, () => {
  let root: string;
  let folder: string;

  const write = async (model: TinyModel, manifest?: string): Promise<void> => {
    root = await temporaryDirectory();
    folder = await writeModel(root, { name: 'a', model, manifest });
  };
  const read = async (modelYaml = '') =>
    readVersion({ root, model: 'a', version: '1', modelManifest: parseManifest(modelYaml, 'model') });
  const details = async (modelYaml?: string): Promise<ModelVersion> => {
    const found = await read(modelYaml);
    if ('reason' in found) throw new Error(found.reason);
    return found.details;
  };
  const reason = async (modelYaml?: string): Promise<string> => {
    const found = await read(modelYaml);
    return 'reason' in found ? found.reason : 'none';
  };

  it('needs nothing but model.onnx', async () => {
    await write(tiny.add());
    const found = await details();
    expect(found).toMatchObject({ model: 'a', version: '1', task: 'tensors', manifest: { pinned: false } });
    expect(found.files.all.map(({ path }) => path)).toEqual(['model.onnx']);
    expect(found.digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('takes a text model with its tokenizer and config', async () => {
    await write(tiny.classifierTiny());
    const found = await details();
    expect(found.task).toBe('text-classification');
    expect(found.taskReason).toContain('tokenizer.json');
    expect(found.text).toMatchObject({ classes: ['negative', 'neutral', 'positive'], multiLabel: false });
    expect(found.files.all.map(({ path }) => path)).toEqual([
      'config.json',
      'model.onnx',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
  });

  it('pools by the mean where there is a vector per token, else not at all', async () => {
    await write(tiny.embedderTiny());
    expect((await details()).manifest.text.pooling).toBe('mean');
    expect((await details('text: { pooling: cls }')).manifest.text.pooling).toBe('cls');
    await write(tiny.add());
    expect((await details()).manifest.text.pooling).toBe('none');
  });

  it('takes class names of a table from the metadata, unless the manifest names others', async () => {
    const { onnx } = tiny.tabularClassifierTiny();
    await write({ onnx: { ...onnx, properties: { classes: '["a","b","c"]' } } });
    expect((await details()).manifest.tabular.classes).toEqual(['a', 'b', 'c']);
    expect((await details('tabular: { classes: [x, y, z] }')).manifest.tabular.classes).toEqual(['x', 'y', 'z']);
    await write({ onnx: { ...onnx, properties: { classes: 'bad, good' } } });
    expect((await details()).manifest.tabular.classes).toBeUndefined();
  });

  it('lets the manifest of the version win over that of the model, key by key', async () => {
    await write(tiny.add(), 'execution: { threads: 2 }');
    const { manifest } = await details('execution: { threads: 4, hard_timeout_ms: 1000 }');
    expect(manifest.execution).toMatchObject({ threads: 2, hardTimeoutMs: 1000 });
  });

  it('says in the reason for the task what was left out', async () => {
    await write(tiny.zipmap());
    const { task, taskReason } = await details();
    expect([task, taskReason]).toEqual(['tabular', expect.stringContaining('zipmap=False')]);
  });

  describe('digest', () => {
    const digest = async (modelYaml?: string): Promise<string> => (await details(modelYaml)).digest;

    it('changes with every file that counts and with the manifest', async () => {
      await write(tiny.classifierTiny());
      const digests = [await digest(), await digest('pinned: true'), await digest('execution: { threads: 2 }')];
      for (const name of ['tokenizer.json', 'config.json', 'tokenizer_config.json']) {
        await appendFile(join(folder, name), ' ');
        digests.push(await digest());
      }
      expect(new Set(digests).size).toBe(digests.length);
    });

    it('does not change with other files, comments, labels or policies', async () => {
      await write(tiny.classifierTiny(), 'pinned: true');
      const before = await digest();
      await writeFile(join(folder, 'README.md'), 'hello');
      await writeFile(join(folder, 'model.yaml'), '# pinned, because it is small\npinned: true');
      expect(await digest('labels: { stable: "1" }')).toBe(before);
      expect(await digest('versions: all')).toBe(before);
    });

    it('counts weights in other files', async () => {
      await write(tiny.externalData());
      const before = await digest();
      await writeFile(join(folder, 'weights.bin'), new Uint8Array(16));
      expect(await digest()).not.toBe(before);
    });
  });

  describe('refuses', () => {
    it('a hash that the manifest does not expect, or one of a file that does not count', async () => {
      await write(tiny.add(), `sha256: { model.onnx: "${OTHER_HASH}" }`);
      expect(await reason()).toContain(`model.yaml demands ${OTHER_HASH}`);
      await write(tiny.add(), `sha256: { README.md: "${OTHER_HASH}" }`);
      expect(await reason()).toContain('"README.md", which is not one');
      await write(tiny.add());
      const [file] = (await details()).files.all;
      await writeFile(join(folder, 'model.yaml'), `sha256: { model.onnx: "${file?.sha256.toUpperCase()}" }`);
      expect(await reason()).toBe('none');
    });

    it.each(['model.onnx', 'tokenizer.json', 'config.json', 'model.yaml'])('%s as a symbolic link', async (name) => {
      await write(tiny.classifierTiny(), 'pinned: true');
      const elsewhere = join(root, name);
      await rename(join(folder, name), elsewhere);
      await symlink(elsewhere, join(folder, name));
      expect(await reason()).toBe(`${name} is a symbolic link; copy the file instead`);
    });

    it('a hard link', async () => {
      await write(tiny.add());
      await link(join(folder, 'model.onnx'), join(root, 'again.onnx'));
      expect(await reason()).toBe('model.onnx has hard links; copy the file instead');
    });

    it('weights that are a link, a folder or not there', async () => {
      await write(tiny.externalData());
      await rm(join(folder, 'weights.bin'));
      expect(await reason()).toBe('model.onnx has weights in "weights.bin", which is not there');
      await symlink('/etc/hostname', join(folder, 'weights.bin'));
      expect(await reason()).toContain('symbolic link');
      await rm(join(folder, 'weights.bin'));
      await mkdir(join(folder, 'weights.bin'));
      expect(await reason()).toBe('weights.bin is not a file');
    });

    it('a folder that is a link, even to another model', async () => {
      await write(tiny.add());
      await rename(folder, join(root, 'real'));
      await symlink(join(root, 'real'), folder);
      expect(await reason()).toContain('symbolic link');
    });

    it.each([
      ['config.json', 'not json', 'config.json is not a JSON object'],
      ['config.json', '[]', 'config.json is not a JSON object'],
      ['config.json', '{"id2label": {"0": "only"}}', 'neither'],
      ['model.yaml', 'nonsense: 1', 'unknown key "nonsense"'],
      ['model.yaml', ' '.repeat(70_000), 'model.yaml is larger than 65536 bytes'],
      ['model.yaml', 'inputs: { text: { coerce: true } }', 'there are: input_ids, attention_mask'],
      ['model.yaml', 'text: { classes: [a, b] }\ntask: text-classification', 'has 3 classes, and 2 are named'],
    ])('or explains %s with %.30j', async (name, content, expected) => {
      await write(tiny.classifierTiny());
      await writeFile(join(folder, name), content);
      const found = await read();
      expect('reason' in found ? found.reason : found.details.taskReason).toContain(expected);
    });

    it('a text task without a tokenizer', async () => {
      await write(tiny.add());
      expect(await reason('task: embedding')).toBe('the task embedding needs a tokenizer.json');
    });

    it('columns that are more or fewer than the model takes', async () => {
      await write(tiny.regressorTiny());
      expect(await reason('tabular: { columns: [rooms] }')).toContain('names 1 columns, and the model takes 2');
      expect(await reason('tabular: { columns: [rooms, area] }')).toBe('none');
    });

    it('more columns than a row may name, though the manifest asks for a table', async () => {
      await write(tiny.identity('FP32', ['rows', 2 ** 31 - 1]));
      expect(await reason('task: tabular')).toContain('takes 2147483647 columns, and a row has at most 1000');
      expect((await details()).task).toBe('tensors');
    });

    it('a folder without model.onnx', async () => {
      await write(tiny.add());
      await rm(join(folder, 'model.onnx'));
      expect(await reason()).toBe('there is no model.onnx in its folder');
    });
  });
});
