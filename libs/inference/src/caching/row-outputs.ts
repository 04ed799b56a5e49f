import { type NamedTensors, type Tensor, concatRows } from '@app/core';
import type { TaskInput, TaskOutput } from '../tasks/task';
import { rowsOf } from './result-keys';

/** The rows of a call at these places, as a call of their own; the call itself where that is all of them. */
export function inputOfRows(input: TaskInput, places: readonly number[]): TaskInput {
  if (!input.splittable || places.length === input.rows) return input;
  const rows = rowsOf(input.tensors, input.rows);
  return { ...input, rows: places.length, tensors: joinAll(places.map((place) => rows[place])) };
}

/** The output of each row; undefined where an output does not have one for each. */
export function outputsOfRows(output: TaskOutput, rows: number): readonly TaskOutput[] | undefined {
  if (Object.values(output).some(({ shape }) => shape[0] !== rows)) return undefined;
  return rows === 1 ? [output] : rowsOf(output, rows);
}

/** Rows as one output; undefined where they do not fit together, as sizes may depend on what ran beside a row. */
export function joinOutputs(outputs: readonly TaskOutput[]): TaskOutput | undefined {
  if (outputs.length === 1) return outputs[0];
  const [first] = outputs;
  const fit = outputs.every((output) => Object.keys(first).every((name) => fits(output[name], first[name])));
  return fit ? joinAll(outputs) : undefined;
}

function joinAll(rows: readonly NamedTensors[]): NamedTensors {
  return Object.fromEntries(Object.keys(rows[0]).map((name) => [name, concatRows(rows.map((row) => row[name]))]));
}

function fits(tensor: Tensor | undefined, first: Tensor): boolean {
  if (tensor?.dtype !== first.dtype || tensor.shape.length !== first.shape.length) return false;
  return tensor.shape.every((size, dimension) => dimension === 0 || size === first.shape[dimension]);
}
