import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelFiles } from '@app/model-registry';
import { TINY_VOCABULARY, temporaryDirectory, tiny } from '@app/testing';
import { Tokenizer } from './tokenizer';

const MODELS = join(__dirname, '../../../../models');

interface Golden {
  readonly text: string;
  readonly input_ids: readonly number[];
}

function filesOf(model: string): ModelFiles {
  const directory = join(MODELS, model, '1');
  return {
    directory,
    onnx: join(directory, 'model.onnx'),
    tokenizer: join(directory, 'tokenizer.json'),
    tokenizerConfig: join(directory, 'tokenizer_config.json'),
    all: [],
  };
}

/** The tiny tokenizer in a folder of its own, with parts of its two files replaced. */
async function tinyFiles(
  changes: { readonly definition?: object; readonly config?: object } = {},
): Promise<ModelFiles> {
  const directory = await temporaryDirectory();
  const { 'tokenizer.json': definition, 'tokenizer_config.json': config } = tiny.classifierTiny().files as Record<
    string,
    object
  >;
  const paths = {
    tokenizer: join(directory, 'tokenizer.json'),
    tokenizerConfig: join(directory, 'tokenizer_config.json'),
  };
  writeFileSync(paths.tokenizer, JSON.stringify({ ...definition, ...changes.definition }));
  writeFileSync(paths.tokenizerConfig, JSON.stringify({ ...config, ...changes.config }));
  return { directory, onnx: join(directory, 'model.onnx'), ...paths, all: [] };
}

const idsOf = (...tokens: readonly string[]): readonly number[] =>
  tokens.map((token) => TINY_VOCABULARY.indexOf(token));

describe(Tokenizer.name, () => {
  it.each([
    ['minilm', 256],
    ['banking-intents', 128],
  ])('gives exactly the golden token ids of %s', async (model, maxTokens) => {
    const goldens = readFileSync(join(MODELS, model, 'golden.jsonl'), 'utf8')
      .trim()
      .split('\n');
    const tokenizer = await Tokenizer.open(filesOf(model), maxTokens);
    const cut = goldens.filter((line) => {
      const { text, input_ids } = JSON.parse(line) as Golden;
      const { ids, typeIds, truncated } = tokenizer.encode(text);
      expect({ text, ids }).toEqual({ text, ids: input_ids });
      expect(typeIds).toEqual(ids.map(() => 0));
      return truncated;
    });
    expect(cut).toHaveLength(3);
  });

  it('cuts on the right and keeps the special tokens at both ends', async () => {
    const tokenizer = await Tokenizer.open(await tinyFiles(), 5);
    expect(tokenizer.encode('i love this film very')).toEqual({
      ids: idsOf('[CLS]', 'i', 'love', 'this', '[SEP]'),
      typeIds: [0, 0, 0, 0, 0],
      truncated: true,
    });
    expect(tokenizer.encode('i love this')).toMatchObject({
      ids: idsOf('[CLS]', 'i', 'love', 'this', '[SEP]'),
      truncated: false,
    });
  });

  it('cuts on the left where the config says so', async () => {
    const tokenizer = await Tokenizer.open(await tinyFiles({ config: { truncation_side: 'left' } }), 5);
    expect(tokenizer.encode('i love this film very').ids).toEqual(idsOf('[CLS]', 'this', 'film', 'very', '[SEP]'));
  });

  it('cuts a model without special tokens to its maximum', async () => {
    const tokenizer = await Tokenizer.open(await tinyFiles({ definition: { post_processor: null } }), 2);
    expect(tokenizer.encode('i love this').ids).toEqual(idsOf('i', 'love'));
  });

  it.each([
    ['the config', { config: { pad_token: '[MASK]', padding_side: 'left' } }, { padId: 4, paddingSide: 'left' }],
    ['a token object', { config: { pad_token: { content: '[SEP]' } } }, { padId: 3, paddingSide: 'right' }],
    [
      'tokenizer.json',
      { config: { pad_token: undefined }, definition: { padding: { pad_id: 7, direction: 'Left' } } },
      { padId: 7, paddingSide: 'left' },
    ],
    ['neither', { config: { pad_token: undefined } }, { padId: 0, paddingSide: 'right' }],
  ])('takes how to pad from %s', async (_, changes, settings) => {
    const tokenizer = await Tokenizer.open(await tinyFiles(changes), 32);
    expect(tokenizer.settings).toMatchObject(settings);
  });

  it('refuses with model_load_failed where there is no tokenizer, or none that it understands', async () => {
    const files = await tinyFiles();
    const unknown = await tinyFiles({ definition: { model: { type: 'Riddle' } } });
    for (const broken of [{ ...files, tokenizer: undefined }, { ...files, tokenizer: files.directory }, unknown]) {
      await expect(Tokenizer.open(broken, 32)).rejects.toMatchObject({ code: 'model_load_failed' });
    }
  });

  it('works without tokenizer_config.json', async () => {
    const tokenizer = await Tokenizer.open({ ...(await tinyFiles()), tokenizerConfig: undefined }, 32);
    expect(tokenizer.encode('love').ids).toEqual(idsOf('[CLS]', 'love', '[SEP]'));
  });
});
