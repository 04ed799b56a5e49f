import { tiny } from '@app/testing';
import { Door, errorOf, outcome } from './door';

describe('POST /v1/models/{model}/predict', () => {
  let door: Door;

  beforeAll(async () => {
    door = await Door.open({
      models: {
        add: { ...tiny.add(), manifest: 'task: tensors' },
        sentiment: tiny.classifierTiny(),
        vectors: tiny.embedderTiny(),
        price: tiny.regressorTiny(),
        class: tiny.tabularClassifierTiny(),
      },
    });
  });

  afterAll(() => door.close());

  const predict = (model: string, body: unknown) => door.post(`/v1/models/${model}/predict`, body);
  const answerOf = async (model: string, body: unknown) => (await predict(model, body)).body as Record<string, unknown>;

  it('answers rows with rows, in order', async () => {
    const answer = await answerOf('add', {
      rows: [
        { a: [1, 2], b: [10, 20] },
        { a: [3, 4], b: [30, 40] },
      ],
    });
    expect(answer).toEqual({
      rows: [{ sum: [11, 22] }, { sum: [33, 44] }],
      model: 'add',
      model_version: '1',
      latency_ms: expect.any(Number),
    });
  });

  it('answers tensors with tensors, nested as their shape', async () => {
    const answer = await answerOf('add', { inputs: { a: [[1, 2]], b: [[10, 20]] } });
    expect(answer).toEqual({
      outputs: { sum: [[11, 22]] },
      model: 'add',
      model_version: '1',
      latency_ms: expect.any(Number),
    });
  });

  it('leaves out the batch dimension when the request did', async () => {
    expect(await answerOf('add', { inputs: { a: [1, 2], b: [10, 20] } })).toMatchObject({ outputs: { sum: [11, 22] } });
  });

  it('gives only the outputs asked for, in that order', async () => {
    const { outputs } = await answerOf('class', { inputs: { features: [[1, 5, 2]] }, outputs: ['probabilities'] });
    expect(Object.keys(outputs as object)).toEqual(['probabilities']);
  });

  it('serves every task in rows', async () => {
    expect(await answerOf('sentiment', { rows: [{ text: 'a good day' }], options: { top_k: 1 } })).toMatchObject({
      rows: [{ predictions: [{ label: 'positive', metadata: { index: 2 } }] }],
    });
    expect(await answerOf('vectors', { rows: [{ text: 'a' }] })).toMatchObject({
      rows: [{ embedding: expect.any(Array) }],
    });
    expect(await answerOf('price', { rows: [{ rooms: 2, area: 10 }] })).toMatchObject({ rows: [{ value: 39 }] });
  });

  it.each(['sentiment', 'sentiment@1', 'sentiment%401'])(
    'knows the model as %s, and names the version',
    async (name) => {
      expect(await answerOf(name, { rows: [{ text: 'good' }] })).toMatchObject({
        model: 'sentiment',
        model_version: '1',
      });
    },
  );

  it.each([
    ['an unknown model', 'nobody', { rows: [{}] }, '404 model_not_found'],
    ['an unknown version', 'sentiment@7', { rows: [{ text: 'a' }] }, '404 model_version_not_found'],
    ['toString', 'toString', { rows: [{}] }, '404 model_not_found'],
    ['__proto__', '__proto__', { rows: [{}] }, '404 model_not_found'],
    ['a path', '..%2f..%2fetc', { rows: [{}] }, '404 model_not_found'],
    ['U+0000', '%00', { rows: [{}] }, '404 model_not_found'],
    ['300 characters', 'a'.repeat(300), { rows: [{}] }, '404 model_not_found'],
    [
      'an option of another task',
      'add',
      { rows: [{ a: [1, 2], b: [1, 2] }], options: { top_k: 3 } },
      '400 unsupported_option',
    ],
    ['an unknown field of a row', 'add', { rows: [{ a: [1, 2], b: [1, 2], c: 1 }] }, '400 invalid_input'],
    ['a missing input', 'add', { inputs: { a: [[1, 2]] } }, '400 invalid_input'],
    ['an unknown input', 'add', { inputs: { a: [[1, 2]], b: [[1, 2]], c: [[1, 2]] } }, '400 invalid_input'],
    ['an unknown output', 'add', { inputs: { a: [[1, 2]], b: [[1, 2]] }, outputs: ['z'] }, '400 invalid_input'],
    ['another shape', 'add', { inputs: { a: [[1, 2, 3]], b: [[1, 2]] } }, '400 invalid_input'],
    [
      'a text that was not to be cut',
      'sentiment',
      { rows: [{ text: 'a '.repeat(5000) }], options: { truncate: false } },
      '400 context_length_exceeded',
    ],
  ])('refuses %s', async (_name, model, body, expected) => {
    expect(outcome(await predict(model, body))).toBe(expected);
  });

  it.each([
    ['neither form', {}, 'rows', 'missing_field'],
    ['both forms', { rows: [{}], inputs: {} }, 'rows', 'unknown_field'],
    ['outputs of rows', { rows: [{}], outputs: [] }, 'inputs', 'missing_field'],
    ['no rows', { rows: [] }, 'rows', 'too_few_items'],
    ['2,049 rows', { rows: new Array(2049).fill({}) }, 'rows', 'too_many_items'],
    ['a row that is a list', { rows: [[1]] }, 'rows[0]', 'wrong_type'],
    ['an unknown option', { rows: [{}], options: { topk: 1 } }, 'options.topk', 'unknown_field'],
    ['int64 as hex', { rows: [{}], options: { int64: 'hex' } }, 'options.int64', 'not_allowed'],
  ])('refuses %s', async (_name, body, field, code) => {
    const answer = await predict('add', body);
    expect(outcome(answer)).toBe('400 invalid_request');
    expect(errorOf(answer).details).toContainEqual(expect.objectContaining({ field, code }));
  });

  it('names the row that does not fit', async () => {
    const answer = await predict('add', {
      rows: [
        { a: [1, 2], b: [1, 2] },
        { a: [1, 'x'], b: [1, 2] },
      ],
    });
    expect(errorOf(answer)).toMatchObject({ code: 'invalid_input', param: 'rows[1].a[1]' });
  });
});

describe('POST /embed', () => {
  let door: Door;

  beforeAll(async () => {
    door = await Door.open({
      models: {
        vectors: { ...tiny.embedderTiny(), manifest: 'text: { dimensions: [2] }' },
        sentiment: tiny.classifierTiny(),
      },
    });
  });

  afterAll(() => door.close());

  const embed = (body: object) => door.post('/embed', { model_id: 'vectors', ...body });

  it('gives a list of one vector for one text', async () => {
    const { body } = await embed({ text: 'good' });
    const { embeddings, ...rest } = body as { embeddings: number[][] };
    expect(rest).toEqual({
      dimensions: 4,
      usage: { tokens: 3, truncated: 0 },
      latency_ms: expect.any(Number),
      model_version: '1',
    });
    expect(Math.hypot(...(embeddings[0] ?? []))).toBeCloseTo(1, 6);
  });

  it('gives the same vectors in the order of the texts, whatever their lengths', async () => {
    const texts = ['good', 'a much longer text than the others', 'bad'];
    const together = (await embed({ text: texts })).body as { embeddings: number[][] };
    const alone = await Promise.all(texts.map((text) => embed({ text })));
    expect(together.embeddings).toEqual(alone.map(({ body }) => (body as { embeddings: number[][] }).embeddings[0]));
  });

  it('leaves vectors as they are with normalize false, and cuts them to the dimensions asked for', async () => {
    const plain = (await embed({ text: 'good', normalize: false })).body as { embeddings: number[][] };
    expect(Math.hypot(...(plain.embeddings[0] ?? []))).not.toBeCloseTo(1, 1);
    expect((await embed({ text: 'good', dimensions: 2 })).body).toMatchObject({
      dimensions: 2,
      embeddings: [expect.any(Array)],
    });
  });

  it.each([
    ['a classifier', { text: 'a', model_id: 'sentiment' }, '400 task_mismatch'],
    ['an unknown version', { text: 'a', model_id: 'vectors@9' }, '404 model_version_not_found'],
    ['dimensions that the model does not allow', { text: 'a', dimensions: 3 }, '400 unsupported_option'],
    ['an empty list', { text: [] }, '400 invalid_request'],
    ['2,049 texts', { text: new Array(2049).fill('a') }, '400 invalid_request'],
    ['an empty text among others', { text: ['a', ''] }, '400 invalid_request'],
    ['a number among texts', { text: ['a', 5] }, '400 invalid_request'],
    ['null for an option', { text: 'a', normalize: null }, '400 invalid_request'],
    ['a text that was not to be cut', { text: 'a '.repeat(5000), truncate: false }, '400 context_length_exceeded'],
  ])('refuses %s', async (_name, body, expected) => {
    expect(outcome(await embed(body))).toBe(expected);
  });
});
