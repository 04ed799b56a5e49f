import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { Door, outcome } from './door';

describe('GET /v1/models', () => {
  let door: Door;
  let directory: string;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    const manifest = 'versions: all\nlabels: { stable: "1" }';
    await writeModel(directory, { name: 'adder', version: '1', model: tiny.adds(1) });
    await writeModel(directory, { name: 'adder', version: '2', model: tiny.adds(2) });
    await writeFile(join(directory, 'adder', 'model.yaml'), manifest);
    await writeModel(directory, { name: 'broken', version: '1', model: tiny.adds(1), manifest: 'nonsense: 1' });
    door = await Door.open({ models: directory, settings: { MODEL_POLL_INTERVAL_MS: '50' } });
  });

  afterAll(() => door.close());

  const modelOf = async (id: string) => (await door.send(`/v1/models/${id}`)).body as Record<string, unknown>;

  it('lists every model, in order of its name', async () => {
    const { body } = await door.send('/v1/models');
    expect(body).toMatchObject({ object: 'list', data: [{ id: 'adder' }, { id: 'broken' }] });
  });

  it('shows a model with its versions, labels and signature', async () => {
    expect(await modelOf('adder')).toMatchObject({
      id: 'adder',
      object: 'model',
      owned_by: 'quayside',
      created: expect.any(Number),
      versions: [{ version: '1' }, { version: '2' }],
      labels: { stable: '1' },
      default_version: '2',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
    });
  });

  it('shows why a model cannot be served', async () => {
    expect(await modelOf('broken')).toMatchObject({ state: 'failed', reason: expect.stringContaining('nonsense') });
    expect(outcome(await door.post('/v1/models/broken/predict', { rows: [{}] }))).toBe('503 model_unavailable');
  });

  it.each(['adder@1', 'adder%401', 'adder@stable'])('takes %s, and keeps it as the id', async (id) => {
    expect(await modelOf(id)).toMatchObject({ id: decodeURIComponent(id), object: 'model' });
  });

  it.each([
    ['nobody', '404 model_not_found'],
    ['constructor', '404 model_not_found'],
    ['adder@9', '404 model_version_not_found'],
    ['adder@', '404 model_version_not_found'],
    ['adder@toString', '404 model_version_not_found'],
    ['adder@1@2', '404 model_version_not_found'],
  ])('does not know %s', async (id, expected) => {
    expect(outcome(await door.send(`/v1/models/${id}`))).toBe(expected);
    expect(outcome(await door.send(`/v1/models/${id}/schema`))).toBe(expected);
    expect(outcome(await door.post(`/v1/models/${id}/predict`, { rows: [{ x: [1] }] }))).toBe(expected);
  });

  it('tells what a model takes and gives', async () => {
    const { body } = await door.send('/v1/models/adder@1/schema');
    expect(body).toMatchObject({ model: 'adder', model_version: '1', schemas: { row: { type: 'object' } } });
  });

  it('answers with the version that was named', async () => {
    const rows = [{ x: 1 }];
    const [one, two] = await Promise.all(
      ['adder@stable', 'adder'].map((id) => door.post(`/v1/models/${id}/predict`, { rows })),
    );
    expect([one?.body, two?.body]).toMatchObject([{ model_version: '1' }, { model_version: '2' }]);
  });

  it('answers for a model of which no version serves unasked with the version that it has', async () => {
    await writeModel(directory, { name: 'named', version: 'nightly', model: tiny.classifierTiny() });
    await eventually(async () => (await door.send('/v1/models/named')).status === 200);
    const answer = await door.post('/predict', { text: 'good', model_id: 'named' });
    expect(outcome(answer)).toBe('404 model_version_not_found');
    expect(answer.text).toContain('nightly');
  });

  it('shows a model that has been dropped into the folder, without a restart', async () => {
    await writeModel(directory, { name: 'newcomer', model: tiny.adds(5) });
    await eventually(async () => (await door.send('/v1/models/newcomer')).status === 200);
    expect((await door.post('/v1/models/newcomer/predict', { inputs: { x: [[1]] } })).body).toMatchObject({
      outputs: { y: [[6]] },
    });
  });
});
