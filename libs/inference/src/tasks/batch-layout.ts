import { type Dimension, QuaysideError, type Signature, type Tensor, type TensorSpec, sliceRows } from '@app/core';

/**
 * How the rows of a request lie in a model's tensors.
 *
 * - `stacked`: dimension 0 of every input and output is one shared symbol (or all are unnamed). Rows are stacked along
 *   it, run together, and may be run apart and joined again.
 * - `single`: every tensor has a dimension 0, but it is 1, or the symbols do not agree. Rows are stacked along it all
 *   the same, and run one at a time.
 * - `whole`: some tensor has no dimension for rows. A call is one piece, in the model's own shapes.
 */
export type BatchLayout = 'stacked' | 'single' | 'whole';

/** The layout of a model, from its signature alone. */
export function batchLayoutOf({ inputs, outputs }: Signature): BatchLayout {
  const first = [...inputs, ...outputs].map((spec) => spec.shape[0]);
  if (first.length === 0 || !first.every(mayBeOne)) return 'whole';
  const stacked = first.every((dimension) => typeof dimension === 'string' && dimension === first[0]);
  return stacked ? 'stacked' : 'single';
}

function mayBeOne(dimension: Dimension | undefined): boolean {
  return typeof dimension === 'string' || dimension === 1;
}

/** A tensor's shape without the dimension that rows are stacked along. */
export function rowShapeOf(spec: TensorSpec): readonly Dimension[] {
  return spec.shape.slice(1);
}

/** One row of a tensor, without the dimension of the rows. */
export function rowOf(tensor: Tensor, row: number): Tensor {
  const { dtype, bytes } = sliceRows(tensor, row, 1);
  return { dtype, shape: tensor.shape.slice(1), bytes };
}

/** Throws inference_failed for an output that does not have a row for each row of the call. */
export function checkOutputRows(name: string, output: Tensor, rows: number): void {
  if (output.shape[0] === rows) return;
  throw new QuaysideError('inference_failed', `The output "${name}" does not have one row for each row of the call.`);
}
