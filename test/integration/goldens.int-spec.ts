import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PredictOptions } from '@app/inference';
import { temporaryDirectory } from '@app/testing';
import { Predictions } from './predictions-harness';

/**
 * How far a number may be from its golden one. On the machine that made them they are equal to the bit; other
 * processors add in another order.
 */
const TOLERANCE = 1e-4;

const MODELS = join(__dirname, '../../models');

interface TextGolden {
  readonly text: string;
  readonly input_ids: readonly number[];
}
interface IntentGolden extends TextGolden {
  readonly logits: readonly number[];
  readonly label: string;
}
interface EmbeddingGolden extends TextGolden {
  readonly embedding: readonly number[];
  readonly shape: readonly number[];
  readonly first_token: readonly number[];
}
interface RiskGolden {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly label: string;
  readonly probabilities: readonly [bad: number, good: number];
}

interface Classified {
  readonly predictions: readonly {
    readonly label: string;
    readonly score: number;
    readonly metadata: { readonly index: number; readonly tokens: number; readonly truncated: boolean };
  }[];
}

function goldensOf<Golden>(model: string): readonly Golden[] {
  const lines = readFileSync(join(MODELS, model, 'golden.jsonl'), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => JSON.parse(line) as Golden);
}

/** Without the empty text, which no door takes; its token ids are checked with the tokenizer. */
function textGoldensOf<Golden extends TextGolden>(model: string): readonly Golden[] {
  return goldensOf<Golden>(model).filter(({ text }) => text !== '');
}

describe('the golden answers of the models that come with the server', () => {
  let predictions: Predictions;

  beforeAll(async () => {
    const models = await temporaryDirectory();
    for (const name of ['banking-intents', 'minilm', 'credit-risk'])
      cpSync(join(MODELS, name), join(models, name), { recursive: true });
    mkdirSync(join(models, 'token-vectors', '1'), { recursive: true });
    cpSync(join(MODELS, 'minilm', '1', 'model.onnx'), join(models, 'token-vectors', '1', 'model.onnx'));
    predictions = await Predictions.over(models);
  });

  afterAll(() => predictions.close());

  async function rowsOf<Row>(
    model: string,
    rows: readonly Readonly<Record<string, unknown>>[],
    options?: PredictOptions,
  ): Promise<readonly Row[]> {
    const { rows: given } = await predictions.predict(model, { form: 'rows', rows }, options);
    return given as unknown as readonly Row[];
  }

  /** Asks for all goldens in one call, and for each alone; so every answer is checked beside neighbours and without. */
  async function eachWay<Golden, Row>(
    model: string,
    goldens: readonly Golden[],
    {
      rowOf,
      options,
    }: { readonly rowOf: (golden: Golden) => Readonly<Record<string, unknown>>; readonly options?: PredictOptions },
  ): Promise<readonly { readonly golden: Golden; readonly row: Row }[]> {
    const together = await rowsOf<Row>(model, goldens.map(rowOf), options);
    expect(together).toHaveLength(goldens.length);
    const pairs = goldens.map((golden, index) => ({ golden, row: together[index] }));
    for (const golden of goldens) pairs.push({ golden, row: (await rowsOf<Row>(model, [rowOf(golden)], options))[0] });
    return pairs;
  }

  it('banking-intents: labels and scores, alone and beside texts of other lengths', async () => {
    const goldens = textGoldensOf<IntentGolden>('banking-intents');
    const options = { top_k: 77, temperature: 1 };
    const answers = await eachWay<IntentGolden, Classified>('banking-intents', goldens, {
      rowOf: ({ text }) => ({ text }),
      options,
    });
    for (const { golden, row } of answers) {
      const expected = softmax(golden.logits);
      expect(row.predictions).toHaveLength(77);
      expect(row.predictions[0].label).toBe(golden.label);
      expect(row.predictions[0].metadata.tokens).toBe(golden.input_ids.length);
      for (const { score, metadata } of row.predictions)
        expect(Math.abs(score - expected[metadata.index])).toBeLessThan(TOLERANCE);
    }
    expect(answers.filter(({ row }) => row.predictions[0].metadata.truncated)).toHaveLength(6);
  });

  it('minilm: embeddings, alone and beside texts of other lengths', async () => {
    const goldens = textGoldensOf<EmbeddingGolden>('minilm');
    const answers = await eachWay<EmbeddingGolden, { readonly embedding: readonly number[] }>('minilm', goldens, {
      rowOf: ({ text }) => ({ text }),
    });
    for (const { golden, row } of answers) expect(distance(row.embedding, golden.embedding)).toBeLessThan(TOLERANCE);
  });

  it('minilm: counts exactly the golden tokens', async () => {
    const goldens = textGoldensOf<EmbeddingGolden>('minilm');
    const { usage } = await predictions.predict('minilm', {
      form: 'tensors',
      inputs: { text: goldens.map(({ text }) => text) },
    });
    const tokens = goldens.reduce((sum, { input_ids }) => sum + input_ids.length, 0);
    expect(usage).toEqual({ tokens, truncated: 3 });
  });

  it('minilm: token vectors of the bare model, without its tokenizer', async () => {
    for (const { input_ids, shape, first_token } of goldensOf<EmbeddingGolden>('minilm')) {
      const row = { input_ids, attention_mask: input_ids.map(() => 1), token_type_ids: input_ids.map(() => 0) };
      const [{ last_hidden_state: vectors }] = await rowsOf<{
        readonly last_hidden_state: readonly (readonly number[])[];
      }>('token-vectors', [row]);
      expect([vectors.length, vectors[0].length]).toEqual(shape);
      expect(distance(vectors[0], first_token)).toBeLessThan(TOLERANCE);
    }
  });

  it('credit-risk: labels and probabilities, odd values included', async () => {
    const goldens = goldensOf<RiskGolden>('credit-risk');
    type Risk = {
      readonly label: string;
      readonly score: number;
      readonly probabilities: { readonly bad: number; readonly good: number };
    };
    const answers = await eachWay<RiskGolden, Risk>('credit-risk', goldens, { rowOf: ({ inputs }) => inputs });
    for (const { golden, row } of answers) {
      expect(row.label).toBe(golden.label);
      expect(distance([row.probabilities.bad, row.probabilities.good], golden.probabilities)).toBeLessThan(TOLERANCE);
      expect(row.score).toBe(Math.max(row.probabilities.bad, row.probabilities.good));
    }
  });
});

function softmax(logits: readonly number[]): readonly number[] {
  const best = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - best));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** The largest difference of two lists of numbers; infinite where their lengths differ. */
function distance(one: readonly number[], other: readonly number[]): number {
  if (one.length !== other.length) return Infinity;
  return Math.max(...one.map((value, index) => Math.abs(value - other[index])));
}
