import { type NamedTensors, tensorOf } from '@app/core';
import { Executor, type TaskInput } from '@app/inference';
import type { ModelVersion } from '@app/model-registry';
import { FakeExecutor } from '@app/testing';
import { describeAllDoors } from './all-doors';
import { DEFAULT_MODELS, Door } from './door';

/** What an executor gives for a call of each task, in the right shapes. */
function scripted({ rows, parameters }: TaskInput, { task, signature }: ModelVersion): NamedTensors {
  const each = <T>(value: T): T[] => Array.from({ length: rows }, () => value);
  const texts = { tokens: tensorOf('INT32', [rows], each(3)), truncated: tensorOf('BOOL', [rows], each(0)) };
  if (task === 'embedding') {
    return { embedding: tensorOf('FP32', [rows, 384], each(new Array<number>(384).fill(0.05)).flat()), ...texts };
  }
  if (task === 'text-classification') {
    const k = Number(parameters['top_k']);
    const ranks = each(Array.from({ length: k }, (_, rank) => rank)).flat();
    const score = tensorOf(
      'FP64',
      [rows, k],
      ranks.map((rank) => 1 / (rank + 2)),
    );
    return { class_index: tensorOf('INT32', [rows, k], ranks), score, ...texts };
  }
  const [label, probabilities] = signature.outputs;
  return {
    [label.name]: tensorOf(label.dtype, [rows], each(label.dtype === 'BYTES' ? 'good' : 1) as string[]),
    [probabilities.name]: tensorOf('FP32', [rows, 2], each([0.25, 0.75]).flat()),
  };
}

describe('every door, on a fake executor', () => {
  describeAllDoors(() =>
    Door.open({
      models: DEFAULT_MODELS,
      override: (module) => module.overrideProvider(Executor).useValue(new FakeExecutor().answer(scripted)),
    }),
  );
});
