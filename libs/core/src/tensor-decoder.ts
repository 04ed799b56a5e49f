import type { Dtype } from './dtypes';
import { type DecodeOptions, type ElementSink, elementSink } from './element-sink';
import type { ErrorDetail } from './errors';
import { type InputFaultCode, MAX_FAULTS, elementFault, inputError, inputFault } from './input-fault';
import { indexPath, misshapen, nestingOf, resolveShape, written } from './nesting';
import { type Dimension, type Tensor, elementCount } from './tensor';

/** An input as the Open Inference Protocol sends it: with a shape of its own, which the caller checks against the model. */
export interface ShapedTarget {
  readonly dtype: Dtype;
  /** As the client sent it; judged here. */
  readonly shape: readonly number[];
  /** Path of the input, such as `inputs[0]`; errors add `.shape`, `.data` and indices. */
  readonly field: string;
}

/** An input as a model declares it. */
export interface DeclaredTarget {
  readonly dtype: Dtype;
  readonly shape: readonly Dimension[];
  /** Path of the value, such as `inputs.x`; errors add indices. */
  readonly field: string;
}

/** One field of many rows, stacked along a new dimension 0. */
export interface RowsTarget {
  readonly dtype: Dtype;
  /** Of one row: `[]` for a single value. A dynamic dimension must be the same in all rows. */
  readonly shape: readonly Dimension[];
  /** Path of a row's value, such as `rows[3].amount`; asked only for errors. */
  readonly fieldOf: (row: number) => string;
}

/**
 * The tensor of flat data, or of data nested exactly as its shape. Throws invalid_input with up to 10 details: those
 * of the element (`docs/numbers.md`), invalid_shape, too_many_elements, shape_mismatch, ragged_array, missing_input.
 */
export function decodeJson(target: ShapedTarget, data: unknown, options: DecodeOptions = {}): Tensor {
  const { dtype, shape } = target;
  const count = elementCount(shape, `${target.field}.shape`);
  const field = `${target.field}.data`;
  const nesting = nestingOf(data, field);
  if (nesting.length === 1) checkCount(nesting[0] ?? 0, { count, shape, field });
  else if (!resolveShape(shape, nesting)) throw misshapen(field, data, shape);
  const filling = new Filling(dtype, count, options, (at) => field + indexPath(nesting, at));
  filling.fill(data, nesting.length);
  return { dtype, shape, bytes: filling.finish() };
}

/**
 * The tensor of a value whose nesting is its shape, checked against the declared one. Equal symbols are not compared.
 * An empty list stands for every dimension inside it: `[]` is `[0, 4]` where `['', 4]` is declared. Throws invalid_input
 * with up to 10 details, as `decodeJson`.
 */
export function decodeNested(target: DeclaredTarget, value: unknown, options: DecodeOptions = {}): Tensor {
  const { dtype, field } = target;
  const nesting = nestingOf(value, field);
  const shape = resolveShape(target.shape, nesting);
  if (!shape) throw misshapen(field, value, target.shape);
  const filling = new Filling(dtype, elementCount(shape, field), options, (at) => field + indexPath(nesting, at));
  filling.fill(value, nesting.length);
  return { dtype, shape, bytes: filling.finish() };
}

/**
 * One tensor `[rows, ...shape]` of one field of many rows. Throws invalid_input with up to 10 details, each naming the
 * row's field.
 */
export function decodeElements(target: RowsTarget, values: readonly unknown[], options: DecodeOptions = {}): Tensor {
  const { dtype, fieldOf } = target;
  const { rowShape, depth } = commonShape(target, values);
  const shape = [values.length, ...rowShape];
  const count = elementCount(shape, fieldOf(0));
  const perRow = count / values.length;
  const filling = new Filling(dtype, count, options, (at) => {
    const row = Math.floor(at / perRow);
    return fieldOf(row) + indexPath(rowShape, at - row * perRow);
  });
  for (const value of values) filling.fill(value, depth);
  return { dtype, shape, bytes: filling.finish() };
}

/** One decoding under way: elements go into a sink in row-major order, faults are collected up to the limit. */
class Filling {
  private readonly sink: ElementSink;
  private readonly faults: ErrorDetail[] = [];
  private at = 0;

  constructor(
    private readonly dtype: Dtype,
    count: number,
    private readonly options: DecodeOptions,
    private readonly fieldAt: (at: number) => string,
  ) {
    this.sink = elementSink(dtype, count, options);
  }

  /** Stores the elements of a value that nests `depth` lists deep. */
  fill(value: unknown, depth: number): void {
    if (depth === 0) return this.put(value);
    const items = value as readonly unknown[];
    if (depth === 1) for (let index = 0; index < items.length; index++) this.put(items[index], 'ragged_array');
    else for (const item of items) this.fill(item, depth - 1);
  }

  /** The bytes, when nothing was refused. */
  finish(): Uint8Array {
    if (this.faults.length > 0) throw inputError(this.faults);
    return this.sink.bytes();
  }

  /** `forList` is what a list in the place of this element means; absent: a value of a wrong type like others. */
  private put(value: unknown, forList?: InputFaultCode): void {
    const code = this.sink.put(value, this.at);
    if (code !== undefined) this.report(forList && Array.isArray(value) ? forList : code);
    this.at++;
  }

  private report(code: InputFaultCode): void {
    this.faults.push(elementFault(this.fieldAt(this.at), code, this.dtype, this.options.dtypeName));
    if (this.faults.length === MAX_FAULTS) throw inputError(this.faults);
  }
}

function checkCount(
  length: number,
  { count, shape, field }: { readonly count: number; readonly shape: readonly number[]; readonly field: string },
): void {
  if (length === count) return;
  const says = `has ${length} values; the shape ${written(shape)} takes ${count}`;
  throw inputError([inputFault(field, 'shape_mismatch', says)]);
}

/** The shape that all rows have, and how deep their values nest. Throws where a row differs. */
function commonShape(target: RowsTarget, values: readonly unknown[]): { rowShape: number[]; depth: number } {
  if (target.shape.length === 0) return { rowShape: [], depth: 0 };
  let shape = target.shape;
  let depth = shape.length;
  for (const [row, value] of values.entries()) {
    const field = target.fieldOf(row);
    const nesting = nestingOf(value, field);
    const resolved = resolveShape(shape, nesting);
    if (!resolved) throw misshapen(field, value, shape);
    shape = resolved;
    depth = nesting.length;
  }
  return { rowShape: shape.map((size) => (typeof size === 'string' ? 0 : size)), depth };
}
