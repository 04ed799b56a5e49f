import { readFile, rename, rm, writeFile } from 'node:fs/promises';
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

describe('a new version that is bad', () => {
  let door: Door;
  let directory: string;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    door = await Door.open({ models: directory, settings: { MODEL_POLL_INTERVAL_MS: '50' } });
  });

  afterAll(() => door.close());

  /** Puts version 2 of a model into its place in one step, with its file changed before. */
  async function drop(name: string, change: (onnx: Buffer) => Buffer, manifest?: string): Promise<void> {
    const staging = join(directory, '.staging');
    await writeModel(staging, { name, version: '2', model: tiny.adds(2), ...(manifest && { manifest }) });
    const file = join(staging, name, '2', 'model.onnx');
    await writeFile(file, change(await readFile(file)));
    await rm(join(directory, name, '2'), { recursive: true, force: true });
    await rename(join(staging, name, '2'), join(directory, name, '2'));
  }

  const detailOf = async (name: string) => (await door.send(`/v1/models/${name}`)).body as ModelDetail;
  const predict = async (name: string) =>
    (await door.post(`/v1/models/${name}/predict`, { inputs: { x: [[1]] } })).body as object;

  it.each([
    ['cut-off', (onnx: Buffer) => onnx.subarray(0, onnx.byteLength / 2), undefined],
    ['random', () => Buffer.alloc(4096, 'no ONNX at all '), undefined],
    // Readable, so that only the engine finds out: its one operator is none.
    [
      'unknown-operator',
      (onnx: Buffer) => Buffer.from(onnx.toString('latin1').replace('Add', 'Odd'), 'latin1'),
      undefined,
    ],
    ['other-bytes', (onnx: Buffer) => onnx, `sha256: { model.onnx: "${'0'.repeat(64)}" }`],
  ])('(%s) leaves the old one serving and shows its reason, until it is repaired', async (name, change, manifest) => {
    await writeModel(directory, { name, version: '1', model: tiny.adds(1) });
    await eventually(async () => (await door.send(`/v1/models/${name}`)).status === 200);
    expect(await predict(name)).toMatchObject({ outputs: { y: [[2]] }, model_version: '1' });

    await drop(name, change, manifest);
    const { versions } = await eventually(async () => {
      const detail = await detailOf(name);
      return detail.versions.some(({ version, state }) => version === '2' && state === 'failed') && detail;
    });
    expect(versions).toMatchObject([{ state: 'ready' }, { reason: expect.stringMatching(/\w{3,}/) }]);
    expect(await predict(name)).toMatchObject({ outputs: { y: [[2]] }, model_version: '1' });
    expect((await door.send('/ready')).status).toBe(200);

    await drop(name, (onnx) => onnx);
    await eventually(async () => (await detailOf(name)).default_version === '2');
    expect(await predict(name)).toMatchObject({ outputs: { y: [[3]] }, model_version: '2' });
  });
});

interface ModelDetail {
  readonly default_version: string | null;
  readonly versions: readonly { readonly version: string; readonly state: string; readonly reason: string }[];
}
