import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Answer, DEFAULT_MODELS, type Door, outcome } from './door';

const applicant = (): unknown => {
  const [first = ''] = readFileSync(join(DEFAULT_MODELS, 'credit-risk', 'golden.jsonl'), 'utf8').split('\n');
  return (JSON.parse(first) as { inputs: unknown }).inputs;
};

/**
 * What every door promises, whoever runs the models: one suite, run over the real ones and over a fake executor. So the
 * fake is known to stand for them, and the two times tell what a fake saves. One application serves all of its tests, unless
 * `scripts/measure-fakes.mjs` wants one for each.
 */
export function describeAllDoors(open: () => Promise<Door>): void {
  let door: Door;
  const { opensForEachTest } = globalThis as { opensForEachTest?: boolean };

  (opensForEachTest ? beforeEach : beforeAll)(async () => {
    door = await open();
  });

  (opensForEachTest ? afterEach : afterAll)(() => door.close());

  const bodyOf = async (answer: Promise<Answer>): Promise<unknown> => {
    const { status, body } = await answer;
    expect(status).toBe(200);
    return body;
  };

  it('classifies a text', async () => {
    const body = await bodyOf(
      door.post('/predict', { text: 'where is my card?', model_id: 'banking-intents', top_k: 2 }),
    );
    expect(body).toMatchObject({
      predictions: [
        { label: expect.any(String), score: expect.any(Number) },
        { label: expect.any(String), score: expect.any(Number) },
      ],
      model_version: '1',
    });
  });

  it('embeds texts, a vector each', async () => {
    const body = await bodyOf(door.post('/embed', { text: ['one', 'two'], model_id: 'minilm' }));
    const { embeddings, dimensions } = body as { embeddings: number[][]; dimensions: number };
    expect(embeddings.map((vector) => vector.length)).toEqual([384, 384]);
    expect(dimensions).toBe(384);
  });

  it('scores rows of a table', async () => {
    const rows = [applicant(), applicant()];
    const body = await bodyOf(door.post('/v1/models/credit-risk/predict', { rows }));
    const row = { label: 'good', score: expect.any(Number), probabilities: { good: expect.any(Number) } };
    expect(body).toMatchObject({ rows: [row, row], model: 'credit-risk', model_version: '1' });
  });

  it('classifies in the general form, by whole inputs', async () => {
    const inputs = { text: ['one', 'two', 'three'] };
    const body = await bodyOf(door.post('/v1/models/banking-intents/predict', { inputs, options: { top_k: 1 } }));
    expect(body).toMatchObject({
      outputs: { label: [[expect.any(String)], [expect.any(String)], [expect.any(String)]] },
    });
  });

  it('tells which models there are, ready to serve', async () => {
    const body = await bodyOf(door.send('/v1/models'));
    expect(JSON.stringify(body)).toMatch(/banking-intents.*credit-risk.*minilm/);
  });

  it('describes what a model takes', async () => {
    const body = await bodyOf(door.send('/v1/models/credit-risk/schema'));
    expect(JSON.stringify(body)).toContain('duration_months');
  });

  it('is alive, started and ready', async () => {
    for (const path of ['/health', '/startup', '/ready']) expect(outcome(await door.send(path))).toBe('200');
  });

  it('refuses a model of another task, one that is not there, and a row that lacks a column', async () => {
    const text = { text: 'a' };
    expect(outcome(await door.post('/predict', { ...text, model_id: 'minilm' }))).toBe('400 task_mismatch');
    expect(outcome(await door.post('/predict', { ...text, model_id: 'nobody' }))).toBe('404 model_not_found');
    const rows = [{ amount: 1 }];
    expect(outcome(await door.post('/v1/models/credit-risk/predict', { rows }))).toBe('400 invalid_input');
  });
}
