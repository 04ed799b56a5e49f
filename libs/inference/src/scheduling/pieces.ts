import { concatRows, mapTensors, sliceRows } from '@app/core';
import type { TaskInput, TaskOutput } from '../tasks/task';

/** Cuts a call into runs of at most `pieceRows` rows, in order. A call that may not be split is one piece. */
export function splitCall(input: TaskInput, pieceRows: number): readonly TaskInput[] {
  if (!input.splittable || input.rows <= pieceRows) return [input];
  const count = Math.ceil(input.rows / pieceRows);
  return Array.from({ length: count }, (_, index) => {
    const from = index * pieceRows;
    const rows = Math.min(pieceRows, input.rows - from);
    return { ...input, rows, tensors: mapTensors(input.tensors, (tensor) => sliceRows(tensor, from, rows)) };
  });
}

/** Joins what the pieces of one call gave, in order: undoes `splitCall`. */
export function joinPieces(outputs: readonly TaskOutput[]): TaskOutput {
  const [first] = outputs;
  if (outputs.length === 1) return first;
  return mapTensors(first, (_, name) => concatRows(outputs.map((output) => output[name])));
}
