import { tensorOf, viewOf } from '@app/core';
import type { Dimension, NamedTensors, Tensor } from '@app/core';
import { ScriptedSession, tensorSpec } from '@app/testing';
import { checkBatching } from './batch-check';
import { RawModel } from './raw-model';

const TOLERANCE = 1e-4;

/** A model of one input `x` and one output `y`, FP32 `[rows, 2]`, that answers by `answer`. */
function modelOf(answer: (x: Tensor) => Tensor, first: Dimension = 'rows'): RawModel {
  const shape = [first, 2];
  const signature = { inputs: [tensorSpec('x', 'FP32', shape)], outputs: [tensorSpec('y', 'FP32', shape)] };
  return new RawModel(new ScriptedSession(signature, ({ x }: NamedTensors) => ({ y: answer(x) })));
}

function mapped(x: Tensor, map: (value: number, all: readonly number[]) => number): Tensor {
  const all = Array.from(viewOf(x, 'FP32'));
  return tensorOf(
    'FP32',
    x.shape,
    all.map((value) => map(value, all)),
  );
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe(checkBatching.name, () => {
  it('lets rows run together whose answers are their own', async () => {
    const verdict = await checkBatching(
      modelOf((x) => mapped(x, (value) => value * 2)),
      TOLERANCE,
    );
    expect(verdict).toEqual({ batchable: true, reason: expect.stringContaining('tolerance is 0.0001') });
  });

  it.each<[string, (x: Tensor) => Tensor, RegExp]>([
    ['depend on their neighbours', (x) => mapped(x, (value, all) => value - meanOf(all)), /depends on the rows beside/],
    ['are NaN beside others', (x) => mapped(x, (value, all) => (all.length > 2 ? NaN : value)), /depends on the rows/],
    ['are fewer than the rows', (x) => tensorOf('FP32', [1, 2], viewOf(x, 'FP32').slice(0, 2)), /one row for each row/],
  ])('keeps rows apart whose answers %s', async (_, answer, reason) => {
    const verdict = await checkBatching(modelOf(answer), TOLERANCE);
    expect(verdict).toEqual({ batchable: false, reason: expect.stringMatching(reason) });
  });

  it('takes differences within the tolerance', async () => {
    const model = modelOf((x) => mapped(x, (value, all) => value + 1e-3 * meanOf(all)));
    await expect(checkBatching(model, 1e-2)).resolves.toMatchObject({ batchable: true });
    await expect(checkBatching(model, 0)).resolves.toMatchObject({ batchable: false });
  });

  it('keeps rows apart where there is no dimension for them', async () => {
    const verdict = await checkBatching(
      modelOf((x) => x, 1),
      TOLERANCE,
    );
    expect(verdict).toEqual({ batchable: false, reason: expect.stringContaining('no dimension') });
  });
});

describe(RawModel.name, () => {
  const callOf = (x: Tensor, outputs: readonly string[] = []) => ({
    ...{ rows: x.shape[0], splittable: true, parameters: {}, outputs },
    tensors: { x },
  });
  const one = tensorOf('FP32', [1, 2], [1, 2]);
  const two = tensorOf('FP32', [2, 2], [3, 4, 5, 6]);

  it('runs rows of several calls at once, and gives each its own', async () => {
    const signature = { inputs: [tensorSpec('x', 'FP32', ['n', 2])], outputs: [tensorSpec('y', 'FP32', ['n', 2])] };
    const session = new ScriptedSession(signature, ({ x }) => ({ y: x }));
    const { outputs } = await new RawModel(session).execute([callOf(one), callOf(two)]);
    expect(session.asked).toHaveLength(1);
    expect(outputs).toEqual([{ y: one }, { y: two }]);
  });

  it.each([
    ['rows of another shape', ['n', ''], callOf(tensorOf('FP32', [1, 3], [1, 2, 3]))],
    ['other outputs', ['n', 2], callOf(one, ['y'])],
    ['no more than one row at a time', [1, 2], callOf(one)],
  ])('runs calls one after another that have %s', async (_, shape, other) => {
    const signature = { inputs: [tensorSpec('x', 'FP32', shape)], outputs: [tensorSpec('y', 'FP32', shape)] };
    const session = new ScriptedSession(signature, ({ x }) => ({ y: x }));
    const { outputs } = await new RawModel(session).execute([callOf(one), other]);
    expect(session.asked).toHaveLength(2);
    expect(outputs).toEqual([{ y: one }, { y: other.tensors.x }]);
  });
});
