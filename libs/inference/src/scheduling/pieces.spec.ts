import { tensorOf } from '@app/core';
import fc from 'fast-check';
import type { TaskInput } from '../tasks/task';
import { joinPieces, splitCall } from './pieces';

function callOf(values: readonly number[], width: number, splittable = true): TaskInput {
  const rows = values.length / width;
  return {
    rows,
    splittable,
    parameters: {},
    outputs: [],
    tensors: {
      x: tensorOf('FP32', [rows, width], values),
      name: tensorOf(
        'BYTES',
        [rows],
        Array.from({ length: rows }, (_, row) => `row ${row}`),
      ),
    },
  };
}

describe(splitCall.name, () => {
  it('leaves a call alone that fits, or that may not be split', () => {
    const small = callOf([1, 2, 3], 1);
    expect(splitCall(small, 3)).toEqual([small]);
    const whole = callOf([1, 2, 3], 1, false);
    expect(splitCall(whole, 2)).toEqual([whole]);
  });

  it('is undone by joinPieces, whatever the sizes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 9 }),
        (rows, width, size) => {
          const values = Array.from({ length: rows * width }, (_, index) => index / 2);
          const call = callOf(values, width);
          const pieces = splitCall(call, size);
          expect(Math.max(...pieces.map((piece) => piece.rows))).toBeLessThanOrEqual(size);
          expect(joinPieces(pieces.map((piece) => piece.tensors))).toEqual(call.tensors);
        },
      ),
    );
  });
});
