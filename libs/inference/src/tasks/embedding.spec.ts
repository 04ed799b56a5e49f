import { tensorOf, viewOf } from '@app/core';
import { DEFAULT_MANIFEST, type Manifest, type ModelVersion } from '@app/model-registry';
import {
  ScriptedSession,
  TEXT_INPUTS,
  TINY_MAX_TOKENS,
  tensorSpec as spec,
  temporaryDirectory,
  textSession,
  tiny,
  versionIn,
  writeModel,
} from '@app/testing';
import Ajv from 'ajv/dist/2020';
import fc from 'fast-check';
import { embedding } from './embedding';
import type { PredictInput, PredictOptions } from './task';

let version: ModelVersion;

beforeAll(async () => {
  const folder = await writeModel(await temporaryDirectory(), { name: 'embedder', model: tiny.embedderTiny() });
  const text = { maxTokens: TINY_MAX_TOKENS, classes: [], multiLabel: false };
  version = versionIn(folder, { task: 'embedding', text, signature: tokenVectors().signature });
});

/** A token's vector is its id, its square and 1; `[CLS]` is 2 and `[SEP]` 3. */
const tokenVectors = (): ScriptedSession =>
  textSession(([id]) => [id, id * id, 1], { name: 'last_hidden_state', perToken: true });

const rows = (...texts: string[]): PredictInput => ({ form: 'rows', rows: texts.map((text) => ({ text })) });

function withText(text: Partial<Manifest['text']>): ModelVersion {
  return { ...version, manifest: { ...DEFAULT_MANIFEST, text: { ...DEFAULT_MANIFEST.text, ...text } } };
}

async function answer(input: PredictInput, options: PredictOptions = {}, model = version, engine = tokenVectors()) {
  const open = await embedding.open(model, engine);
  const {
    outputs: [output],
  } = await open.execute([embedding.prepare(model, input, options)]);
  return embedding.present(model, input, output, options);
}

async function embed(
  text: string,
  options: PredictOptions = {},
  model = version,
  engine = tokenVectors(),
): Promise<number[]> {
  const { rows: given } = (await answer(rows(text), options, model, engine)) as unknown as {
    rows: { embedding: number[] }[];
  };
  return given[0].embedding;
}

describe('embedding', () => {
  it('takes the mean over the text and its special tokens, never over padding', async () => {
    // "a" has the id 5.
    await expect(embed('a', { normalize: false })).resolves.toEqual([Math.fround(10 / 3), Math.fround(38 / 3), 1]);
  });

  it('takes the first token where the manifest says cls', async () => {
    await expect(embed('a film', { normalize: false }, withText({ pooling: 'cls' }))).resolves.toEqual([2, 4, 1]);
  });

  it("takes the model's own pooled output where the manifest says none, and where there is no other", async () => {
    const outputs = [
      spec('last_hidden_state', 'FP32', ['rows', 'tokens', 3]),
      spec('sentence_embedding', 'FP32', ['rows', 2]),
    ];
    const own = tensorOf('FP32', [1, 2], [3, 4]);
    const both = new ScriptedSession({ inputs: TEXT_INPUTS, outputs }, () => ({ sentence_embedding: own }));
    await expect(embed('a', {}, withText({ pooling: 'none' }), both)).resolves.toEqual([
      Math.fround(0.6),
      Math.fround(0.8),
    ]);
    expect(both.asked[0].outputs).toEqual(['sentence_embedding']);
    const one = new ScriptedSession({ inputs: TEXT_INPUTS, outputs: [outputs[1]] }, () => ({
      sentence_embedding: own,
    }));
    await expect(embed('a', { normalize: false }, version, one)).resolves.toEqual([3, 4]);
  });

  it('has length 1 unless asked otherwise', async () => {
    expect(Math.hypot(...(await embed('i love this film')))).toBeCloseTo(1, 6);
    expect(Math.hypot(...(await embed('i love this film', { normalize: false })))).toBeGreaterThan(100);
  });

  it('is cut before it is scaled, and only to lengths that the manifest lists', async () => {
    const model = withText({ dimensions: [2] });
    const [whole, cut] = [await embed('a', { normalize: false }), await embed('a', { dimensions: 2 }, model)];
    const length = Math.hypot(10 / 3, 38 / 3);
    expect(whole).toHaveLength(3);
    expect(cut).toEqual([Math.fround(10 / 3 / length), Math.fround(38 / 3 / length)]);
    for (const [refused, dimensions] of [
      [version, 2],
      [model, 3],
    ] as const) {
      await expect(embed('a', { dimensions }, refused)).rejects.toMatchObject({
        code: 'unsupported_option',
        details: [{ field: 'options.dimensions' }],
      });
    }
    await expect(embed('a', { dimensions: 0 }, model)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('gives a row the same embedding whatever runs beside it', async () => {
    const words = fc.array(fc.constantFrom('i', 'love', 'this', 'boring', 'film', 'unknownword'), {
      minLength: 1,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(words, { minLength: 1, maxLength: 12 }), async (all) => {
        const texts = all.map((each) => each.join(' '));
        const together = (await answer(rows(...texts))) as unknown as { rows: { embedding: number[] }[] };
        for (const [index, text] of texts.entries()) expect(together.rows[index].embedding).toEqual(await embed(text));
      }),
      { numRuns: 25 },
    );
  });

  it('pools the right tokens where padding stands on the left', async () => {
    const directory = await temporaryDirectory();
    const model = tiny.embedderTiny();
    const files = { ...model.files, 'tokenizer_config.json': { pad_token: '[PAD]', padding_side: 'left' } };
    const folder = await writeModel(directory, { name: 'left', model: { ...model, files } });
    const left = { ...version, files: { ...version.files, tokenizerConfig: `${folder}/tokenizer_config.json` } };
    await expect(embed('a', { normalize: false }, left)).resolves.toEqual([
      Math.fround(10 / 3),
      Math.fround(38 / 3),
      1,
    ]);
  });

  it('answers the tensors form, with and without the dimension of the rows', async () => {
    const [one, list] = [
      await embed('a'),
      { form: 'tensors', inputs: { text: ['a', 'film'] }, outputs: ['embedding'] } as const,
    ];
    await expect(answer(list)).resolves.toEqual({
      form: 'tensors',
      outputs: { embedding: [one, await embed('film')] },
    });
    await expect(answer({ form: 'tensors', inputs: { text: 'a' } })).resolves.toEqual({
      form: 'tensors',
      outputs: { embedding: one },
    });
  });

  it('takes texts of 1 to 100000 characters', () => {
    expect(embedding.prepare(version, rows('🙂'.repeat(100_000)), {})).toMatchObject({ rows: 1 });
    for (const text of ['', 'a'.repeat(100_001)]) {
      expect(() => embedding.prepare(version, rows(text), {})).toThrow(
        expect.objectContaining({ code: 'invalid_input' }),
      );
    }
  });

  it('refuses options that it does not know', () => {
    for (const name of ['top_k', 'temperature']) {
      expect(() => embedding.prepare(version, rows('a'), { [name]: 1 })).toThrow(
        expect.objectContaining({ code: 'unsupported_option' }),
      );
    }
  });

  it.each([NaN, Infinity])('refuses with non_finite_output vectors with %d', async (value) => {
    const engine = textSession(([id]) => [id === 2 ? value : 1, 1], { name: 'last_hidden_state', perToken: true });
    await expect(embed('a', {}, version, engine)).rejects.toMatchObject({ code: 'non_finite_output' });
  });

  it('refuses with model_load_failed a model without vectors', async () => {
    const scalar = new ScriptedSession({ inputs: TEXT_INPUTS, outputs: [spec('score', 'FP32', ['rows'])] }, () => ({}));
    await expect(embedding.open(version, scalar)).rejects.toMatchObject({ code: 'model_load_failed' });
  });

  it('has a sample that runs, and counts its tokens', async () => {
    const open = await embedding.open(version, tokenVectors());
    const {
      outputs: [output],
    } = await open.execute([open.sample()]);
    expect(output['embedding']).toMatchObject({ dtype: 'FP32', shape: [1, 3] });
    expect(embedding.usage(output)).toEqual({ tokens: viewOf(output['tokens'], 'INT32')[0], truncated: 0 });
  });

  it('has schemas that accept what it takes and gives', async () => {
    const ajv = new Ajv();
    const schema = embedding.schema(withText({ dimensions: [2] }));
    const accepts = (part: keyof typeof schema, value: unknown): boolean => ajv.validate(schema[part] as object, value);
    const vector = await embed('a');
    expect(accepts('row', { text: 'a' }) && accepts('row_output', { embedding: vector })).toBe(true);
    expect(accepts('outputs', { embedding: vector }) && accepts('outputs', { embedding: [vector] })).toBe(true);
    expect(accepts('row_output', { embedding: [1] })).toBe(false);
    expect(accepts('options', { dimensions: 2 })).toBe(true);
    expect(ajv.validate(embedding.schema(version).options as object, { dimensions: 2 })).toBe(false);
  });
});
