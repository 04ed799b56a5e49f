import { tensorOf } from '@app/core';
import fc from 'fast-check';
import type { TaskInput } from '../tasks/task';
import { joinPieces, rowsOfCall } from './pieces';

function callOf(values: readonly number[], width: number): TaskInput {
  const rows = values.length / width;
  return {
    rows,
    splittable: true,
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

describe(rowsOfCall.name, () => {
  it('gives the call itself for all of its rows', () => {
    const call = callOf([1, 2, 3], 1);
    expect(rowsOfCall(call, 0, 3)).toBe(call);
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
          const starts = Array.from({ length: Math.ceil(rows / size) }, (_, index) => index * size);
          const pieces = starts.map((from) => rowsOfCall(call, from, Math.min(size, rows - from)));
          expect(Math.max(...pieces.map((piece) => piece.rows))).toBeLessThanOrEqual(size);
          expect(joinPieces(pieces.map((piece) => piece.tensors))).toEqual(call.tensors);
        },
      ),
    );
  });
});
