import type { PredictInput, PredictOptions } from '@app/inference';
import { type TinyModel, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { Predictions } from './predictions-harness';

const MODELS: Readonly<Record<string, TinyModel>> = {
  iris: tiny.tabularClassifierTiny(),
  price: tiny.regressorTiny(),
  zipmap: tiny.zipmap(),
  sentiment: tiny.classifierTiny(),
  embedder: tiny.embedderTiny(),
  add: tiny.add(),
  int64: tiny.identity('INT64', ['rows']),
  text: tiny.identity('BYTES', ['rows', 'columns']),
  half: tiny.identity('FP16', ['rows']),
  fixed: tiny.identity('FP32', [1, 2]),
  scalar: tiny.identity('BOOL', []),
};

const rows = (...given: Record<string, unknown>[]): PredictInput => ({ form: 'rows', rows: given });

describe('models of strangers, without a manifest', () => {
  let predictions: Predictions;

  beforeAll(async () => {
    const models = await temporaryDirectory();
    for (const [name, model] of Object.entries(MODELS)) await writeModel(models, { name, model });
    predictions = await Predictions.over(models);
  });

  afterAll(() => predictions.close());

  async function answerOf(model: string, input: PredictInput, options?: PredictOptions): Promise<unknown> {
    const { rows: byRow, outputs } = await predictions.predict(model, input, options);
    return byRow ?? outputs;
  }

  it('classify rows of numbered columns', async () => {
    const near = expect.closeTo(0.5761, 4);
    const other = expect.closeTo(0.2119, 4);
    await expect(answerOf('iris', rows({ f0: 0, f1: 1, f2: 0 }, { f2: 1, f1: 0, f0: 0 }))).resolves.toEqual([
      { label: 1, score: near, probabilities: [other, near, other] },
      { label: 2, score: near, probabilities: [other, other, near] },
    ]);
  });

  it('give a value of named columns', async () => {
    await expect(answerOf('price', rows({ rooms: 3, area: 10 }))).resolves.toEqual([{ value: 41 }]);
  });

  it('give the label alone where probabilities are a list of maps', async () => {
    await expect(answerOf('zipmap', rows({ f0: 0, f1: 1 }))).resolves.toEqual([{ label: 1 }]);
  });

  it('classify and embed texts', async () => {
    await expect(
      answerOf('sentiment', rows({ text: 'a wonderful film' }), { top_k: 1, temperature: 0 }),
    ).resolves.toEqual([
      { predictions: [{ label: 'positive', score: 1, metadata: { index: 2, tokens: 5, truncated: false } }] },
    ]);
    // Tokens 2, 5 and 3, each of which is [id, 1, id % 2, -id].
    const mean = [10 / 3, 1, 2 / 3, -10 / 3].map(Math.fround);
    await expect(answerOf('embedder', rows({ text: 'a' }), { normalize: false })).resolves.toEqual([
      { embedding: mean },
    ]);
  });

  it('pass tensors through in every shape', async () => {
    await expect(answerOf('add', rows({ a: [1, 2], b: [3, 4] }))).resolves.toEqual([{ sum: [4, 6] }]);
    await expect(answerOf('int64', rows({ x: '-9007199254740993' }, { x: 5 }))).resolves.toEqual([
      { y: '-9007199254740993' },
      { y: 5 },
    ]);
    await expect(answerOf('text', { form: 'tensors', inputs: { x: [['a', '日本🙂']] } })).resolves.toEqual({
      y: [['a', '日本🙂']],
    });
    await expect(answerOf('half', rows({ x: 0.1 }, { x: 'Infinity' }))).resolves.toEqual([
      { y: 0.0999755859375 },
      { y: 'Infinity' },
    ]);
    await expect(answerOf('fixed', rows({ x: [1, 2] }, { x: [3, 4] }))).resolves.toEqual([
      { y: [1, 2] },
      { y: [3, 4] },
    ]);
    await expect(answerOf('scalar', rows({ x: true }))).resolves.toEqual([{ y: true }]);
  });
});
