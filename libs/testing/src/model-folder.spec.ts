import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeModel } from './model-folder';
import { temporaryDirectory } from './open-resources';
import { adds, classifierTiny } from './tiny-models';

describe(writeModel.name, () => {
  it('writes a version folder with the model, the files beside it and its manifest, and nothing else', async () => {
    const models = await temporaryDirectory();
    const folder = await writeModel(models, {
      name: 'mood',
      version: '2',
      model: classifierTiny(),
      manifest: 'pinned: true\n',
    });
    expect(folder).toBe(join(models, 'mood', '2'));
    expect((await readdir(folder)).sort()).toEqual([
      'config.json',
      'model.onnx',
      'model.yaml',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(JSON.parse(await readFile(join(folder, 'tokenizer_config.json'), 'utf8'))).toMatchObject({
      pad_token: '[PAD]',
    });
  });

  it('replaces a version that is there', async () => {
    const models = await temporaryDirectory();
    const folder = await writeModel(models, { name: 'adds', model: adds(1) });
    const before = await readFile(join(folder, 'model.onnx'));
    await writeModel(models, { name: 'adds', model: adds(2) });
    expect(before.equals(await readFile(join(folder, 'model.onnx')))).toBe(false);
  });
});
