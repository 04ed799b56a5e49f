import { DEFAULT_MANIFEST } from './manifest-schema';
import { readTextSettings } from './text-settings';

const settings = (config: object, tokenizerConfig: object, text: object = {}) =>
  readTextSettings(
    { ...DEFAULT_MANIFEST, text: { ...DEFAULT_MANIFEST.text, ...text } },
    { config: { ...config }, tokenizerConfig: { ...tokenizerConfig } },
  );

describe(readTextSettings.name, () => {
  it.each([
    [
      'the tokenizer allows less than the positions',
      { max_position_embeddings: 512 },
      { model_max_length: 256 },
      {},
      256,
    ],
    ['the positions are fewer', { max_position_embeddings: 128 }, { model_max_length: 256 }, {}, 128],
    ['the manifest asks for less', { max_position_embeddings: 512 }, { model_max_length: 256 }, { maxTokens: 64 }, 64],
    ['the manifest asks for more', { max_position_embeddings: 512 }, {}, { maxTokens: 4096 }, 512],
    ['the tokenizer has no limit', { max_position_embeddings: 512 }, { model_max_length: 1e30 }, {}, 512],
    ['two positions are no token', { model_type: 'roberta', max_position_embeddings: 514 }, {}, {}, 512],
    ['nothing is said', {}, {}, {}, 512],
    ['nonsense is said', { max_position_embeddings: 'many' }, { model_max_length: -1 }, {}, 512],
  ])('takes the smallest sane number of tokens when %s', (_, config, tokenizerConfig, text, maxTokens) => {
    expect(settings(config, tokenizerConfig, text).maxTokens).toBe(maxTokens);
  });

  it('never takes more tokens for a text than may run together', () => {
    const manifest = { ...DEFAULT_MANIFEST, batching: { ...DEFAULT_MANIFEST.batching, maxTokens: 100 } };
    const files = { config: { max_position_embeddings: 512 }, tokenizerConfig: {} };
    expect(readTextSettings(manifest, files).maxTokens).toBe(100);
    expect(readTextSettings(manifest, { config: {}, tokenizerConfig: {} }).maxTokens).toBe(100);
  });

  it('orders classes by their index, and lets the manifest name others', () => {
    const config = { id2label: { 10: 'k', ...Object.fromEntries([...'abcdefghij'].map((label, at) => [at, label])) } };
    expect(settings(config, {}).classes).toEqual([...'abcdefghijk']);
    expect(settings(config, {}, { classes: ['x'] }).classes).toEqual(['x']);
    expect(settings({}, {}).classes).toEqual([]);
  });

  it.each([{ 0: 'a', 2: 'c' }, { a: 'b' }, { 0: 1 }, ['a', 2]])('refuses id2label %j', (id2label) => {
    expect(() => settings({ id2label }, {})).toThrow('"id2label" must give a text');
  });

  it('takes classes as independent when the problem says so', () => {
    expect(settings({ problem_type: 'multi_label_classification' }, {}).multiLabel).toBe(true);
    expect(settings({ problem_type: 'single_label_classification' }, {}).multiLabel).toBe(false);
    expect(settings({ problem_type: 'multi_label_classification' }, {}, { multiLabel: false }).multiLabel).toBe(false);
  });
});
