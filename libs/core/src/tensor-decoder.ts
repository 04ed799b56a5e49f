import type { Dtype } from './dtypes';
import { elementSink, type DecodeOptions, type ElementSink } from './element-sink';
import type { ErrorDetail } from './errors';
import { MAX_FAULTS, elementFault, inputError, inputFault, type InputFaultCode } from './input-fault';
import { elementCount, type Dimension, type Tensor } from './tensor';

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
  const { dtype, shape, field } = target;
  const count = elementCount(shape, `${field}.shape`);
  const dataField = `${field}.data`;
  const nesting = nestingOf(data, dataField);
  const problem = misfit(shape, count, nesting, data);
  if (problem) throw refused(dataField, problem.code, problem.says);
  const filling = new Filling(dtype, count, options, (at) => dataField + indexPath(nesting, at));
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
  if (!shape)
    throw refused(field, 'shape_mismatch', `has shape ${written(nesting)}; it takes ${written(target.shape)}`);
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
  const { shape, depth } = rowShape(target, values);
  const perRow = elementCount(shape, fieldOf(0));
  const count = elementCount([values.length, ...shape], fieldOf(0));
  const filling = new Filling(dtype, count, options, (at) => {
    const row = Math.floor(at / perRow);
    return fieldOf(row) + indexPath(shape, at - row * perRow);
  });
  for (const value of values) filling.fill(value, depth);
  return { dtype, shape: [values.length, ...shape], bytes: filling.finish() };
}

/** How many lists deep a value is: 0 for a single element. Only first elements are looked at. */
export function nestingDepth(value: unknown): number {
  let depth = 0;
  for (let inner = value; Array.isArray(inner); inner = inner[0]) depth++;
  return depth;
}

/** One decoding under way: elements go into a sink in row-major order, faults are collected up to the limit. */
class Filling {
  private readonly sink: ElementSink;
  private readonly faults: ErrorDetail[] = [];
  private at = 0;

  constructor(
    private readonly dtype: Dtype,
    count: number,
    options: DecodeOptions,
    private readonly fieldAt: (at: number) => string,
  ) {
    this.sink = elementSink(dtype, count, options);
  }

  /** Stores the elements of a value that nests `depth` lists deep. */
  fill(value: unknown, depth: number): void {
    if (depth === 0) return this.put(value);
    const items = value as readonly unknown[];
    if (depth === 1) for (let index = 0; index < items.length; index++) this.put(items[index]);
    else for (const item of items) this.fill(item, depth - 1);
  }

  finish(): Uint8Array {
    if (this.faults.length > 0) throw inputError(this.faults);
    return this.sink.bytes();
  }

  private put(value: unknown): void {
    const code = this.sink.put(value, this.at);
    if (code !== undefined) this.report(code);
    this.at++;
  }

  private report(code: InputFaultCode): void {
    this.faults.push(elementFault(this.fieldAt(this.at), code, this.dtype));
    if (this.faults.length === MAX_FAULTS) throw inputError(this.faults);
  }
}

function refused(field: string, code: InputFaultCode, says?: string): Error {
  return inputError([inputFault(field, code, says)]);
}

/** The sizes that a value's nesting spells, down to its elements or to an empty list. Throws ragged_array. */
function nestingOf(value: unknown, field: string): number[] {
  if (value === undefined) throw refused(field, 'missing_input');
  const sizes: number[] = [];
  for (let inner = value; Array.isArray(inner); inner = inner[0]) sizes.push(inner.length);
  if (sizes.length > 1) checkEven(value as readonly unknown[], sizes, { depth: 1, field });
  return sizes;
}

function checkEven(
  items: readonly unknown[],
  sizes: readonly number[],
  { depth, field }: { readonly depth: number; readonly field: string },
): void {
  items.forEach((item, index) => {
    if (!Array.isArray(item) || item.length !== sizes[depth]) throw refused(`${field}[${index}]`, 'ragged_array');
    if (depth + 1 < sizes.length) checkEven(item, sizes, { depth: depth + 1, field: `${field}[${index}]` });
  });
}

/** What is wrong with data of this nesting for a shape; undefined when it is flat with the right count, or nested exactly. */
function misfit(
  shape: readonly number[],
  count: number,
  nesting: readonly number[],
  data: unknown,
): { readonly code: InputFaultCode; readonly says: string } | undefined {
  if (nesting.length === 0 && shape.length > 0) {
    return data === null
      ? { code: 'null_not_allowed', says: 'must be a list, not null' }
      : { code: 'shape_mismatch', says: `must be a list of ${count} values` };
  }
  if (nesting.length === 1 && nesting[0] !== count) {
    return { code: 'shape_mismatch', says: `has ${nesting[0]} values; the shape ${written(shape)} takes ${count}` };
  }
  if (nesting.length > 1 && !resolveShape(shape, nesting)) {
    return { code: 'shape_mismatch', says: `is nested as ${written(nesting)}; its shape is ${written(shape)}` };
  }
  return undefined;
}

/** The concrete shape of a value that nests like this, or undefined where it does not fit what is declared. */
function resolveShape(declared: readonly Dimension[], nesting: readonly number[]): number[] | undefined {
  const endsEmpty = nesting.at(-1) === 0;
  if (endsEmpty ? nesting.length > declared.length : nesting.length !== declared.length) return undefined;
  const fits = nesting.every((size, index) => typeof declared[index] === 'string' || declared[index] === size);
  if (!fits) return undefined;
  return declared.map((size, index) => nesting[index] ?? (typeof size === 'string' ? 0 : size));
}

/** The shape that all rows have, and how deep their values nest. Throws where a row differs. */
function rowShape(target: RowsTarget, values: readonly unknown[]): { shape: number[]; depth: number } {
  if (target.shape.length === 0) return { shape: [], depth: 0 };
  let shape = target.shape;
  let depth = target.shape.length;
  values.forEach((value, row) => {
    const nesting = nestingOf(value, target.fieldOf(row));
    const resolved = resolveShape(shape, nesting);
    if (!resolved) {
      throw refused(target.fieldOf(row), 'shape_mismatch', `has shape ${written(nesting)}; it takes ${written(shape)}`);
    }
    shape = resolved;
    depth = nesting.length;
  });
  return { shape: shape.map((size) => (typeof size === 'string' ? 0 : size)), depth };
}

function indexPath(sizes: readonly number[], at: number): string {
  let path = '';
  let rest = at;
  for (let dimension = sizes.length - 1; dimension >= 0; dimension--) {
    const size = sizes[dimension] ?? 1;
    path = `[${rest % size}]${path}`;
    rest = Math.floor(rest / size);
  }
  return path;
}

/** A shape for people: dynamic dimensions by their name, or -1. */
function written(shape: readonly Dimension[]): string {
  return `[${shape.map((size) => (size === '' ? -1 : size)).join(',')}]`;
}
