import { tensorOf } from '@app/core';
import { aModelVersion } from '@app/testing';
import type { TaskInput } from '../tasks/task';
import { TokenLength, runShapeOf } from './run-shape';

const raw = aModelVersion({ model: 'raw' });
const text = aModelVersion({ model: 'text', text: { maxTokens: 128, classes: [], multiLabel: false } });

function callOf(tensors: TaskInput['tensors'], outputs: readonly string[] = []): TaskInput {
  const [rows] = Object.values(tensors)[0].shape;
  return { rows, splittable: true, tensors, parameters: {}, outputs };
}
const numbers = (rows: number, columns: number) => tensorOf('FP32', [rows, columns], new Array(rows * columns).fill(0));
const texts = (...of: string[]) => callOf({ text: tensorOf('BYTES', [of.length], of) });

describe(runShapeOf.name, () => {
  const keyOf = (call: TaskInput): string => runShapeOf(raw, call, 4).key;

  it('tells apart what cannot share a run, and nothing else', () => {
    const key = keyOf(callOf({ x: numbers(1, 2) }));
    expect(keyOf(callOf({ x: numbers(5, 2) }))).toBe(key);
    expect(keyOf({ ...callOf({ x: numbers(1, 2) }), parameters: { top_k: 3 } })).toBe(key);
    expect(keyOf(callOf({ x: numbers(1, 3) }))).not.toBe(key);
    expect(keyOf(callOf({ y: numbers(1, 2) }))).not.toBe(key);
    expect(keyOf(callOf({ x: numbers(1, 2) }, ['y']))).not.toBe(key);
    expect(keyOf(callOf({ x: tensorOf('INT32', [1, 2], [0, 0]) }))).not.toBe(key);
  });

  it.each([
    [['a'], 'text:32', 1],
    [['x'.repeat(128)], 'text:32', 32],
    [['a', 'x'.repeat(129), 'b'], 'text:64', 33],
    [['ü'.repeat(100)], 'text:64', 50],
    [['x'.repeat(9999)], 'text:128', 128],
  ])('estimates the tokens of the longest text by its bytes, at most what the model reads', (given, key, rowTokens) => {
    expect(runShapeOf(text, texts(...given), 4)).toMatchObject({ key, rowTokens });
  });
});

describe(TokenLength.name, () => {
  it('follows what texts turn out to be', () => {
    const length = new TokenLength();
    expect(length.bytesPerToken).toBe(4);
    for (let at = 0; at < 200; at += 1) length.observe(texts('x'.repeat(60)), 30);
    expect(length.bytesPerToken).toBeCloseTo(2, 2);
    length.observe(texts('x'), 0);
    expect(length.bytesPerToken).toBeCloseTo(2, 2);
  });
});
