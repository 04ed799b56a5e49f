import type { Dimension, Dtype, TensorSpec } from '@app/core';
import { type TaskEvidence, decideTask } from './task-decision';

type Spec = readonly [name: string, dtype: Dtype, shape: readonly Dimension[]];

const toSpec = ([name, dtype, shape]: Spec): TensorSpec => ({ name, dtype, shape });
const ids: Spec = ['input_ids', 'INT64', ['rows', 'tokens']];
const mask: Spec = ['attention_mask', 'INT64', ['rows', 'tokens']];

/** Evidence in one line: inputs → outputs, a tokenizer if `t`, and how many classes are named. */
const evidence = (
  inputs: readonly Spec[],
  outputs: readonly Spec[],
  { t = false, classCount = 0 } = {},
): TaskEvidence => ({
  signature: { inputs: inputs.map(toSpec), outputs: outputs.map(toSpec) },
  hasTokenizer: t,
  classCount,
});
const text = (output: Spec, classCount = 0) => evidence([ids, mask], [output], { t: true, classCount });
const columns = (...inputs: readonly Spec[]) => evidence(inputs, [['y', 'FP32', ['rows', 1]]]);

describe(decideTask.name, () => {
  it.each<[string, TaskEvidence]>([
    ['text-classification', text(['logits', 'FP32', ['rows', 3]], 3)],
    ['text-classification', text(['logits', 'FP32', ['rows', 'classes']], 3)],
    ['embedding', text(['last_hidden_state', 'FP32', ['rows', 'tokens', 384]])],
    ['embedding', text(['last_hidden_state', 'FP32', ['rows', 'tokens', 384]], 2)],
    ['tabular', columns(['x', 'FP32', ['rows', 4]])],
    ['tabular', columns(['x', 'FP64', ['', 4]])],
    ['tabular', columns(['age', 'INT64', ['rows', 1]], ['job', 'BYTES', ['rows', 1]])],
    ['tabular', columns(['job', 'BYTES', ['rows', 1]])],
    ['tabular', columns(['x', 'FP32', ['rows', 1000]])],
    ['tensors', columns(['x', 'FP32', ['rows', 1001]])],
    ['tensors', columns(['x', 'FP32', ['rows', 2 ** 31 - 1]])],
    ['tensors', columns(['x', 'FP32', ['rows', 'columns']])],
    ['tensors', columns(['x', 'BYTES', ['rows', 4]])],
    ['tensors', columns(['x', 'FP32', [1, 4]])],
    ['tensors', columns(['a', 'FP32', ['rows', 1]], ['b', 'FP32', ['rows', 2]])],
    ['tensors', columns(['image', 'FP32', ['rows', 3, 224, 224]])],
    ['tensors', columns()],
  ])('is %s', (task, seen) => {
    expect(decideTask(seen).task).toBe(task);
  });

  it.each<[string, TaskEvidence, string]>([
    ['input_ids without a tokenizer', evidence([ids, mask], [['logits', 'FP32', ['rows', 3]]]), 'fit no other task'],
    ['a number of classes that does not fit', text(['pooled', 'FP32', ['rows', 384]], 2), 'neither'],
    ['scores for every token', text(['logits', 'FP32', ['rows', 'tokens', 9]], 9), 'scores every token'],
    [
      'an input that is not from text',
      evidence([ids, ['pixel_values', 'FP32', ['rows', 3, 8, 8]]], [['y', 'FP32', ['rows', 'tokens', 4]]], { t: true }),
      'pixel_values',
    ],
  ])('is tensors for %s, and says so', (_, seen, reason) => {
    expect(decideTask(seen)).toEqual({ task: 'tensors', reason: expect.stringContaining(reason) });
  });
});
