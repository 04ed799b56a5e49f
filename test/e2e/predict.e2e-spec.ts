import { tiny } from '@app/testing';
import { Door, errorOf, outcome } from './door';

const EMOJI = '😀';

describe('POST /predict', () => {
  let door: Door;

  beforeAll(async () => {
    door = await Door.open({ models: { 'sentiment-1': tiny.classifierTiny(), vectors: tiny.embedderTiny() } });
  });

  afterAll(() => door.close());

  const good = { text: 'a good day', model_id: 'sentiment-1' };

  it('answers exactly 200 with exactly three keys', async () => {
    const answer = await door.post('/predict', good);
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.body as object)).toEqual(['predictions', 'latency_ms', 'model_version']);
  });

  it('gives scores that descend, each with a label and metadata', async () => {
    const { body } = await door.post('/predict', { ...good, temperature: 1 });
    const { predictions } = body as { predictions: { label: string; score: number; metadata: object }[] };
    expect(predictions.map(({ label }) => label)).toEqual(['positive', 'neutral', 'negative']);
    // exp(1), exp(0.5) and exp(0) over their sum
    expect(predictions.map(({ score }) => Number(score.toFixed(6)))).toEqual([0.50648, 0.307196, 0.186324]);
    expect(predictions[0]?.metadata).toEqual({ index: 2, tokens: 5, truncated: false });
  });

  it('fills in top_k 5 and temperature 0.7', async () => {
    const [filled, spelled] = await Promise.all([
      door.post('/predict', good),
      door.post('/predict', { ...good, top_k: 5, temperature: 0.7 }),
    ]);
    expect((filled.body as { predictions: unknown }).predictions).toEqual(
      (spelled.body as { predictions: unknown }).predictions,
    );
  });

  it('gives all classes when top_k is larger, and 1 and 0 at temperature 0', async () => {
    const { body } = await door.post('/predict', { ...good, top_k: 100, temperature: 0 });
    expect((body as { predictions: { score: number }[] }).predictions.map(({ score }) => score)).toEqual([1, 0, 0]);
  });

  it('tells times, ids and the cache in headers', async () => {
    const { headers, body } = await door.post('/predict', { ...good, text: 'asked once' });
    const { latency_ms } = body as { latency_ms: number };
    expect(headers.get('x-prediction-id')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(headers.get('x-cache')).toBe('miss');
    expect(headers.get('server-timing')).toMatch(/^queue;dur=[\d.]+, compute;dur=[\d.]+, total;dur=[\d.]+$/);
    expect(headers.get('server-timing')).toContain(`total;dur=${latency_ms}`);
    const again = await door.post('/predict', { ...good, text: 'asked once' });
    expect(again.headers.get('x-cache')).toBe('hit');
  });

  it.each([
    ['1 character', { text: 'a' }],
    ['10,000 characters', { text: 'a'.repeat(10_000) }],
    ['10,000 emoji', { text: EMOJI.repeat(10_000) }],
    ['spaces only', { text: '   ' }],
    ['U+0000', { text: 'a\0b' }],
    ['top_k 1', { top_k: 1 }],
    ['top_k 100', { top_k: 100 }],
    ['temperature 0', { temperature: 0 }],
    ['temperature 2', { temperature: 2 }],
  ])('takes %s', async (_name, change) => {
    expect(outcome(await door.post('/predict', { ...good, ...change }))).toBe('200');
  });

  it.each([
    ['an empty text', { text: '' }, 'text', 'too_short'],
    ['10,001 characters', { text: 'a'.repeat(10_001) }, 'text', 'too_long'],
    ['10,001 emoji', { text: EMOJI.repeat(10_001) }, 'text', 'too_long'],
    ['5,001 hearts of two code points', { text: '❤️'.repeat(5001) }, 'text', 'too_long'],
    ['top_k 0', { top_k: 0 }, 'top_k', 'out_of_range'],
    ['top_k 101', { top_k: 101 }, 'top_k', 'out_of_range'],
    ['top_k 5.5', { top_k: 5.5 }, 'top_k', 'not_integer'],
    ['top_k "5"', { top_k: '5' }, 'top_k', 'wrong_type'],
    ['top_k null', { top_k: null }, 'top_k', 'null_not_allowed'],
    ['temperature -0.01', { temperature: -0.01 }, 'temperature', 'out_of_range'],
    ['temperature 2.01', { temperature: 2.01 }, 'temperature', 'out_of_range'],
    ['topk', { topk: 3 }, 'topk', 'unknown_field'],
    ['a model in capitals', { model_id: 'Sentiment' }, 'model_id', 'pattern_mismatch'],
    ['a version in the name', { model_id: 'sentiment-1@1' }, 'model_id', 'pattern_mismatch'],
    ['no name', { model_id: undefined }, 'model_id', 'missing_field'],
    ['no text', { text: undefined }, 'text', 'missing_field'],
  ])('refuses %s', async (_name, change, field, code) => {
    const answer = await door.post('/predict', { ...good, ...change });
    expect(outcome(answer)).toBe('400 invalid_request');
    expect(errorOf(answer)).toMatchObject({ param: field, details: [{ field, code }] });
  });

  it('takes 5.0 as 5', async () => {
    expect(outcome(await door.post('/predict', '{"text":"a","model_id":"sentiment-1","top_k":5.0}'))).toBe('200');
  });

  it('refuses an unpaired surrogate', async () => {
    const answer = await door.post('/predict', '{"text":"\\ud800","model_id":"sentiment-1"}');
    expect(errorOf(answer)).toMatchObject({ code: 'invalid_input', details: [{ code: 'invalid_unicode' }] });
  });

  it('knows no other task than text-classification, and no model by another name', async () => {
    expect(outcome(await door.post('/predict', { ...good, model_id: 'vectors' }))).toBe('400 task_mismatch');
    expect(outcome(await door.post('/predict', { ...good, model_id: 'nobody' }))).toBe('404 model_not_found');
    const long = await door.post('/predict', { ...good, model_id: 'a'.repeat(100_000) });
    expect(outcome(long)).toBe('404 model_not_found');
    expect(long.text.length).toBeLessThan(1000);
  });
});
