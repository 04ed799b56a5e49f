import { viewOf } from '@app/core';
import { DEFAULT_MANIFEST, type ModelVersion } from '@app/model-registry';
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
import type { PredictInput, PredictOptions } from './task';
import { textClassification } from './text-classification';

const CLASSES = ['negative', 'neutral', 'positive'];
const TEXT = { maxTokens: TINY_MAX_TOKENS, classes: CLASSES, multiLabel: false };

let version: ModelVersion;

beforeAll(async () => {
  const folder = await writeModel(await temporaryDirectory(), { name: 'sentiment', model: tiny.classifierTiny() });
  version = versionIn(folder, { task: 'text-classification', text: TEXT });
});

/** Logits that tell a row's own tokens: their sum, a half, their number. */
const session = (): ScriptedSession =>
  textSession((ids) => [ids.reduce((sum, id) => sum + id, 0) / 100, 0.5, ids.length / 10]);

const rows = (...texts: unknown[]): PredictInput => ({ form: 'rows', rows: texts.map((text) => ({ text })) });

async function answer(input: PredictInput, options: PredictOptions = {}, engine = session(), model = version) {
  const open = await textClassification.open(model, engine);
  const {
    outputs: [output],
  } = await open.execute([textClassification.prepare(model, input, options)]);
  return textClassification.present(model, input, output, options);
}

const refusal = (input: PredictInput, options: PredictOptions = {}): unknown => {
  try {
    return textClassification.prepare(version, input, options);
  } catch (error) {
    return error;
  }
};

describe('text-classification: what it takes', () => {
  it('makes texts tensors and fills in the defaults', () => {
    const prepared = textClassification.prepare(version, rows('good', 'bad'), {});
    expect(prepared).toMatchObject({ rows: 2, splittable: true, outputs: [] });
    expect(prepared.parameters).toEqual({ top_k: 5, temperature: 0.7, truncate: true });
    expect(prepared.tensors['text']).toMatchObject({ dtype: 'BYTES', shape: [2] });
  });

  it('counts characters as code points, from 1 to 10000', () => {
    expect(refusal(rows('🙂'.repeat(10_000)))).toMatchObject({ rows: 1 });
    expect(refusal(rows('fine', '🙂'.repeat(10_001)))).toMatchObject({
      code: 'invalid_input',
      details: [{ field: 'rows[1].text', code: 'too_long' }],
    });
    expect(refusal(rows(''))).toMatchObject({ code: 'invalid_input', details: [{ code: 'too_short' }] });
  });

  it.each([
    ['missing_input', { form: 'rows', rows: [{}] }, 'rows[0].text'],
    ['null_not_allowed', rows(null), 'rows[0].text'],
    ['string_expected', rows('fine', 5), 'rows[1].text'],
    ['invalid_unicode', rows('\ud800'), 'rows[0].text'],
    ['unknown_field', { form: 'rows', rows: [{ text: 'fine', txet: 'no' }] }, 'rows[0].txet'],
    ['missing_input', { form: 'tensors', inputs: {} }, 'inputs.text'],
    ['string_expected', { form: 'tensors', inputs: { text: ['fine', 1] } }, 'inputs.text[1]'],
    ['unknown_field', { form: 'tensors', inputs: { text: 'fine', input_ids: [1] } }, 'inputs.input_ids'],
    ['unknown_output', { form: 'tensors', inputs: { text: 'fine' }, outputs: ['logits'] }, 'outputs[0]'],
    ['duplicate_output', { form: 'tensors', inputs: { text: 'fine' }, outputs: ['score', 'score'] }, 'outputs[1]'],
  ] satisfies [string, PredictInput, string][])('refuses with invalid_input and %s', (code, input, field) => {
    expect(refusal(input)).toMatchObject({ code: 'invalid_input', details: [{ field, code }] });
  });

  it('takes 1 to 2048 rows in either form', () => {
    const texts = new Array<string>(2049).fill('fine');
    expect(refusal(rows(...texts.slice(1)))).toMatchObject({ rows: 2048 });
    for (const input of [rows(...texts), rows(), { form: 'tensors', inputs: { text: texts } } as const]) {
      expect(refusal(input)).toMatchObject({ code: 'invalid_request' });
    }
  });

  it.each([
    ['top_k', [1, 5, 100, 5.0], [0, 101, 1.5, '5', null]],
    ['temperature', [0, 0.7, 2], [-0.1, 2.1, '1', null, Infinity]],
    ['truncate', [true, false], ['true', 1, null]],
  ])('takes the option %s within its limits', (name, good, bad) => {
    for (const value of good)
      expect(refusal(rows('fine'), { [name]: value })).toMatchObject({ parameters: { [name]: value } });
    for (const value of bad) {
      const details = [{ field: `options.${name}` }];
      expect(refusal(rows('fine'), { [name]: value })).toMatchObject({ code: 'invalid_request', details });
    }
  });

  it('refuses options of other tasks and options of none', () => {
    for (const name of ['normalize', 'dimensions', 'topk', 'toString']) {
      const details = [{ field: `options.${name}`, code: 'unsupported_option' }];
      expect(refusal(rows('fine'), { [name]: true })).toMatchObject({ code: 'unsupported_option', details });
    }
  });

  it('takes an option that is undefined as absent', () => {
    expect(refusal(rows('fine'), { top_k: undefined })).toMatchObject({ parameters: { top_k: 5 } });
  });
});

describe('text-classification: what it gives', () => {
  it('gives the best classes with their scores, indexes and tokens', async () => {
    const flat = textSession(() => [1, 3, 2]);
    await expect(answer(rows('i love this film'), { top_k: 2, temperature: 1 }, flat)).resolves.toEqual({
      form: 'rows',
      rows: [
        {
          predictions: [
            {
              label: 'neutral',
              score: expect.closeTo(0.66524, 5),
              metadata: { index: 1, tokens: 6, truncated: false },
            },
            {
              label: 'positive',
              score: expect.closeTo(0.24473, 5),
              metadata: { index: 2, tokens: 6, truncated: false },
            },
          ],
        },
      ],
    });
  });

  it('gives all classes where top_k is larger, and names those that have no name', async () => {
    const nameless = { ...version, text: { ...TEXT, classes: ['only'] } };
    const labels = ['LABEL_1', 'LABEL_2', 'only'].map((label) => expect.objectContaining({ label }));
    await expect(
      answer(
        rows('good'),
        { top_k: 100 },
        textSession(() => [1, 3, 2]),
        nameless,
      ),
    ).resolves.toMatchObject({
      rows: [{ predictions: labels }],
    });
  });

  it('gives the best class 1 and the others 0 at temperature 0, ties by index', async () => {
    const { rows: given } = (await answer(
      rows('good'),
      { temperature: 0 },
      textSession(() => [3, 1, 3]),
    )) as { rows: unknown };
    expect(given).toMatchObject([
      {
        predictions: [
          { score: 1, metadata: { index: 0 } },
          { score: 0, metadata: { index: 1 } },
          { score: 0, metadata: { index: 2 } },
        ],
      },
    ]);
  });

  it('scores independent classes each for itself', async () => {
    const several = { ...version, text: { ...TEXT, multiLabel: true } };
    const scores = { rows: [{ predictions: [{ score: 0.5 }, { score: 0.5 }, { score: 0.5 }] }] };
    await expect(
      answer(
        rows('good'),
        {},
        textSession(() => [0, 0, 0]),
        several,
      ),
    ).resolves.toMatchObject(scores);
    const one = await answer(
      rows('good'),
      { temperature: 1 },
      textSession(() => [2]),
    );
    expect(one).toMatchObject({ rows: [{ predictions: [{ label: 'negative', score: expect.closeTo(0.8808, 4) }] }] });
  });

  it('takes outputs that are probabilities already as such', async () => {
    const manifest = { ...DEFAULT_MANIFEST, text: { ...DEFAULT_MANIFEST.text, probabilities: true } };
    const given = await answer(
      rows('good'),
      { temperature: 1, top_k: 1 },
      textSession(() => [0.25, 0, 0.75]),
      { ...version, manifest },
    );
    expect(given).toMatchObject({ rows: [{ predictions: [{ label: 'positive', score: expect.closeTo(0.75, 7) }] }] });
  });

  it('answers the tensors form with labels and scores, in the order asked for', async () => {
    const flat = (): ScriptedSession => textSession(() => [1, 3, 2]);
    const inputs = { text: ['good', 'bad'] };
    const both = await answer(
      { form: 'tensors', inputs, outputs: ['score', 'label'] },
      { temperature: 0, top_k: 2 },
      flat(),
    );
    expect(JSON.stringify(both)).toBe(
      '{"form":"tensors","outputs":{"score":[[1,0],[1,0]],"label":[["neutral","negative"],["neutral","negative"]]}}',
    );
    const one = await answer({ form: 'tensors', inputs: { text: 'good' } }, { temperature: 0, top_k: 1 }, flat());
    expect(one).toEqual({ form: 'tensors', outputs: { label: ['neutral'], score: [1] } });
  });

  it('gives a row the same answer whatever runs beside it', async () => {
    const words = fc.array(fc.constantFrom('i', 'love', 'this', 'boring', 'film', 'unknownword'), {
      minLength: 1,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(words, { minLength: 1, maxLength: 12 }), async (all) => {
        const texts = all.map((each) => each.join(' '));
        const together = (await answer(rows(...texts))) as unknown as { rows: unknown[] };
        for (const [index, text] of texts.entries()) {
          expect({ form: 'rows', rows: [together.rows[index]] }).toEqual(await answer(rows(text)));
        }
      }),
      { numRuns: 25 },
    );
  });

  it('counts tokens and the texts that were cut', async () => {
    const open = await textClassification.open(version, session());
    const {
      outputs: [output],
    } = await open.execute([textClassification.prepare(version, rows('good', 'good '.repeat(40)), {})]);
    expect(textClassification.usage(output)).toEqual({ tokens: 3 + TINY_MAX_TOKENS, truncated: 1 });
    expect([...viewOf(output['truncated'], 'BOOL')]).toEqual([0, 1]);
  });

  it('refuses with context_length_exceeded a text that may not be cut, before anything runs', async () => {
    const engine = session();
    const given = answer(rows('good', 'good '.repeat(40)), { truncate: false }, engine);
    await expect(given).rejects.toMatchObject({ code: 'context_length_exceeded' });
    expect(engine.asked).toEqual([]);
    await expect(answer(rows('good'), { truncate: false })).resolves.toBeDefined();
  });

  it.each([NaN, Infinity, -Infinity])('refuses with non_finite_output logits that are %d', async (value) => {
    await expect(
      answer(
        rows('good'),
        {},
        textSession(() => [1, value, 0]),
      ),
    ).rejects.toMatchObject({ code: 'non_finite_output' });
  });
});

describe('text-classification: which models it opens', () => {
  it('asks for logits alone, by name before place', async () => {
    const { signature } = session();
    const outputs = [spec('attentions', 'FP32', ['rows', 9]), ...signature.outputs];
    const engine = new ScriptedSession({ ...signature, outputs }, (feeds) => textSession(() => [1, 2]).answer(feeds));
    await answer(rows('good'), {}, engine);
    expect(engine.asked.map(({ outputs: asked }) => asked)).toEqual([['logits']]);
  });

  it('runs a model that takes one text of one length', async () => {
    const inputs = TEXT_INPUTS.map((input) => ({ ...input, shape: [1, 16] }));
    const engine = textSession((ids) => [ids.length, 0], { inputs });
    await answer(rows('good', 'i love this', 'good '.repeat(40)), {}, engine);
    expect(engine.asked.map(({ feeds }) => feeds['input_ids'].shape)).toEqual([
      [1, 16],
      [1, 16],
      [1, 16],
    ]);
  });

  it('refuses with model_load_failed what it cannot feed or read', async () => {
    const pixels = textSession(() => [1], { inputs: [...TEXT_INPUTS, spec('pixels', 'FP32', ['rows', 9])] });
    const integers = new ScriptedSession(
      { inputs: TEXT_INPUTS, outputs: [spec('ids', 'INT64', ['rows', 3])] },
      () => ({}),
    );
    for (const engine of [pixels, integers]) {
      await expect(textClassification.open(version, engine)).rejects.toMatchObject({ code: 'model_load_failed' });
    }
  });

  it('refuses with inference_failed an output that lacks rows', async () => {
    const engine = new ScriptedSession(session().signature, (feeds) => {
      const one = Object.fromEntries(
        Object.entries(feeds).map(([name, tensor]) => [name, { ...tensor, shape: [1, 8] }]),
      );
      return textSession(() => [1, 2]).answer(one);
    });
    await expect(answer(rows('good', 'bad'), {}, engine)).rejects.toMatchObject({ code: 'inference_failed' });
  });

  it('has a sample that runs', async () => {
    const open = await textClassification.open(version, session());
    const {
      outputs: [output],
      ...times
    } = await open.execute([open.sample()]);
    expect(output['score']).toMatchObject({ dtype: 'FP64', shape: [1, 3] });
    expect(Object.keys(times)).toEqual(['inputMs', 'inferMs', 'outputMs']);
  });
});

describe('text-classification: its schemas', () => {
  it('accept what the task takes and gives', async () => {
    const schema = textClassification.schema(version);
    const ajv = new Ajv();
    const accepts = (part: keyof typeof schema, value: unknown): boolean => ajv.validate(schema[part] as object, value);
    const { rows: given } = (await answer(rows('good'))) as unknown as { rows: unknown[] };
    const { outputs } = (await answer({ form: 'tensors', inputs: { text: ['good'] } })) as unknown as {
      outputs: unknown;
    };
    expect(accepts('row', { text: 'good' }) && accepts('row_output', given[0])).toBe(true);
    expect(
      accepts('inputs', { text: 'good' }) && accepts('inputs', { text: ['good'] }) && accepts('outputs', outputs),
    ).toBe(true);
    expect(accepts('options', { top_k: 100, temperature: 2, truncate: false })).toBe(true);
    for (const bad of [{ text: '' }, {}, { text: 'good', more: 1 }]) expect(accepts('row', bad)).toBe(false);
    for (const bad of [{ top_k: 0 }, { topk: 1 }]) expect(accepts('options', bad)).toBe(false);
  });
});

describe('text-classification: calls that run together', () => {
  it('share a run, each with its own texts, lengths and parameters', async () => {
    const engine = session();
    const open = await textClassification.open(version, engine);
    const calls = [
      textClassification.prepare(version, rows('good'), { top_k: 1 }),
      textClassification.prepare(version, rows('bad film', 'good'), { top_k: 3, temperature: 1 }),
    ];
    const { outputs } = await open.execute(calls);
    expect(engine.asked).toHaveLength(1);
    for (const [at, call] of calls.entries()) {
      const alone = await open.execute([call]);
      expect(outputs[at]).toEqual(alone.outputs[0]);
    }
  });

  it('all fail with what one of them is refused for', async () => {
    const open = await textClassification.open(version, session());
    const calls = [
      textClassification.prepare(version, rows('good'), {}),
      textClassification.prepare(version, rows('good '.repeat(40)), { truncate: false }),
    ];
    await expect(open.execute(calls)).rejects.toMatchObject({ code: 'context_length_exceeded' });
  });
});
