import { type Tensor, floatsOf, isFloat, isQuaysideError } from '@app/core';
import type { OpenModel, TaskInput, TaskOutput } from './task';

/** Whether rows of several calls may run together, and why. */
export interface BatchVerdict {
  readonly batchable: boolean;
  /** A sentence for people. */
  readonly reason: string;
}

/**
 * Finds out whether a row's answer depends on its neighbours: two unlike rows run alone and together, in both orders,
 * and every answer must be the same within `tolerance` (relative for numbers over 1).
 */
export async function checkBatching(model: OpenModel, tolerance: number): Promise<BatchVerdict> {
  const pairs = model.pairs();
  if (pairs.length === 0) return off('The shapes of the model have no dimension that rows are stacked along.');
  for (const pair of pairs) {
    const difference = await largestDifference(model, pair);
    if (difference === 'refused') continue;
    if (difference === 'other-rows') return off('The model does not answer one row for each row that it is given.');
    const measured = `differ by ${difference.toPrecision(2)} at most; the tolerance is ${tolerance}`;
    if (difference <= tolerance)
      return { batchable: true, reason: `Answers of rows run together and alone ${measured}.` };
    return off(`An answer depends on the rows beside it: run together and alone they ${measured}.`);
  }
  return off('The model refused the rows that were made up to find out whether rows may run together.');
}

function off(reason: string): BatchVerdict {
  return { batchable: false, reason };
}

async function largestDifference(
  model: OpenModel,
  [a, b]: readonly [TaskInput, TaskInput],
): Promise<number | 'refused' | 'other-rows'> {
  const alone = await outputsOf(model, [a], [b]);
  if (!alone) return 'refused';
  const together = await outputsOf(model, [a, b], [b, a]);
  if (!together) return 'other-rows';
  const [[aloneA], [aloneB]] = alone;
  const [[firstA, secondB], [firstB, secondA]] = together;
  return Math.max(
    ...[distance(aloneA, firstA), distance(aloneA, secondA), distance(aloneB, firstB), distance(aloneB, secondB)],
  );
}

/** What each list of calls gave; undefined where the model refused one of them, which is no defect of this process. */
async function outputsOf(
  model: OpenModel,
  ...runs: readonly (readonly TaskInput[])[]
): Promise<readonly (readonly TaskOutput[])[] | undefined> {
  try {
    const outputs: (readonly TaskOutput[])[] = [];
    for (const calls of runs) outputs.push((await model.execute(calls)).outputs);
    return outputs;
  } catch (error) {
    if (isQuaysideError(error)) return undefined;
    throw error;
  }
}

/**
 * The largest difference between two answers. Where a model gives numbers with a fraction only those count: a label
 * that follows from them may be another one where two of them are nearly equal.
 */
function distance(one: TaskOutput, other: TaskOutput): number {
  const names = Object.keys(one);
  const floats = names.filter((name) => isFloat(one[name].dtype));
  if (floats.length === 0) return names.every((name) => isEqual(one[name], other[name])) ? 0 : Infinity;
  return Math.max(...floats.map((name) => floatDistance(one[name], other[name])));
}

function floatDistance(one: Tensor, other: Tensor): number {
  const [values, others] = [floatsOf(one), floatsOf(other)];
  if (values.length !== others.length) return Infinity;
  let largest = 0;
  for (let at = 0; at < values.length; at += 1) {
    if (Object.is(values[at], others[at])) continue;
    const difference = Math.abs(values[at] - others[at]) / Math.max(1, Math.abs(values[at]));
    // NaN against a number is a difference, too.
    largest = Math.max(largest, Number.isNaN(difference) ? Infinity : difference);
  }
  return largest;
}

function isEqual(one: Tensor, other: Tensor): boolean {
  return Buffer.compare(one.bytes, other.bytes) === 0;
}
