import { concatRows, mapTensors, sliceRows } from '@app/core';
import type { TaskInput, TaskOutput } from '../tasks/task';

/** Some rows of a call, as a call of their own; all of them are the call itself. */
export function rowsOfCall(input: TaskInput, from: number, rows: number): TaskInput {
  if (rows === input.rows) return input;
  return { ...input, rows, tensors: mapTensors(input.tensors, (tensor) => sliceRows(tensor, from, rows)) };
}

/** Joins what the pieces of one call gave, in order of their rows. */
export function joinPieces(outputs: readonly TaskOutput[]): TaskOutput {
  const [first] = outputs;
  if (outputs.length === 1) return first;
  return mapTensors(first, (_, name) => concatRows(outputs.map((output) => output[name])));
}
