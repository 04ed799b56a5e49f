import { join } from 'node:path';
import { Executor, ResultCache } from '@app/inference';
import { FakeExecutor, type TinyModel, eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { type Answer, Door } from './door';

const ADDER = '/v1/models/adder/predict';

const asked = (answer: Answer) => ({ x_cache: answer.headers.get('x-cache'), y: rowsOf(answer).map(({ y }) => y) });
const rowsOf = ({ body }: Answer) => (body as { readonly rows: readonly { readonly y: unknown }[] }).rows;
const body = (values: readonly number[], options?: object) => ({ rows: values.map((x) => ({ x: [x] })), options });

describe('X-Cache', () => {
  let door: Door;
  let models: string;
  let executor: FakeExecutor;

  const write = (model: TinyModel, manifest = 'task: tensors') =>
    writeModel(models, { name: 'adder', version: '1', model, manifest });

  beforeEach(async () => {
    models = join(await temporaryDirectory(), 'models');
    await write(tiny.adds(1));
    executor = new FakeExecutor();
    door = await Door.open({
      models,
      settings: { MODEL_POLL_INTERVAL_MS: '20' },
      override: (module) => module.overrideProvider(Executor).useValue(executor),
    });
  });

  afterEach(() => door.close());

  it('says miss, then hit, which was neither queued nor computed', async () => {
    expect(asked(await door.post(ADDER, body([1, 2])))).toEqual({ x_cache: 'miss', y: [[1], [2]] });
    const hit = await door.post(ADDER, body([2, 1]));
    expect(asked(hit)).toEqual({ x_cache: 'hit', y: [[2], [1]] });
    expect(hit.headers.get('server-timing')).toMatch(/^queue;dur=0, compute;dur=0, /);
    expect(executor.batches).toHaveLength(1);
  });

  it('says miss when one row of several is new, and runs that row', async () => {
    await door.post(ADDER, body([1, 2]));
    expect(asked(await door.post(ADDER, body([1, 3, 2])))).toEqual({ x_cache: 'miss', y: [[1], [3], [2]] });
    expect(executor.batches.map(({ calls }) => calls.map(({ rows }) => rows))).toEqual([[2], [1]]);
  });

  it('runs once what many ask at the same time', async () => {
    executor.hang();
    const first = door.post(ADDER, body([1]));
    await executor.hasStarted(1);
    const others = [1, 2, 3].map(() => door.post(ADDER, body([1])));
    await eventually(() => door.server.app.get(ResultCache).statistics('adder').joins === 3);
    executor.release();
    const answers = await Promise.all([first, ...others]);
    expect(answers.map((answer) => asked(answer).x_cache)).toEqual(['miss', 'joined', 'joined', 'joined']);
    expect(executor.batches).toHaveLength(1);
  });

  it('says off when the request asks for that, and neither reads nor keeps', async () => {
    await door.post(ADDER, body([1]));
    for (const value of [1, 7]) {
      expect(asked(await door.post(ADDER, body([value], { cache: false }))).x_cache).toBe('off');
    }
    expect(asked(await door.post(ADDER, body([7], { cache: true }))).x_cache).toBe('miss');
    expect(executor.batches).toHaveLength(4);
  });

  it('says off when the manifest of the model does', async () => {
    await write(tiny.adds(1), 'task: tensors\ncache: false');
    await eventually(async () => asked(await door.post(ADDER, body([1]))).x_cache === 'off');
    expect(asked(await door.post(ADDER, body([1]))).x_cache).toBe('off');
  });

  it('says miss after the files of the model changed', async () => {
    await door.post(ADDER, body([1]));
    expect(asked(await door.post(ADDER, body([1]))).x_cache).toBe('hit');
    await write(tiny.adds(2));
    await eventually(async () => asked(await door.post(ADDER, body([1]))).x_cache === 'miss');
    expect(executor.batches).toHaveLength(2);
  });
});

it('runs every request where there is no memory for results', async () => {
  const executor = new FakeExecutor();
  await using door = await Door.open({
    models: { adder: { ...tiny.adds(1), manifest: 'task: tensors' } },
    settings: { INFERENCE_CACHE_BYTES: '0' },
    override: (module) => module.overrideProvider(Executor).useValue(executor),
  });
  for (const batches of [1, 2]) {
    expect(asked(await door.post(ADDER, body([1]))).x_cache).toBe('off');
    expect(executor.batches).toHaveLength(batches);
  }
});
