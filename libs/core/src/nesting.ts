import type { QuaysideError } from './errors';
import { inputError, inputFault } from './input-fault';
import type { Dimension } from './tensor';

/** How many lists deep a value is: 0 for a single element. Only first elements are looked at. */
export function nestingDepth(value: unknown): number {
  let depth = 0;
  for (let inner = value; Array.isArray(inner); inner = inner[0]) depth++;
  return depth;
}

/**
 * The sizes that a value's nesting spells, down to its elements or to an empty list; `[]` for a single element. Throws
 * invalid_input: missing_input for undefined, ragged_array where lists of one level differ in length.
 */
export function nestingOf(value: unknown, field: string): number[] {
  if (value === undefined) throw inputError([inputFault(field, 'missing_input')]);
  const sizes: number[] = [];
  for (let inner = value; Array.isArray(inner); inner = inner[0]) sizes.push(inner.length);
  const odd = sizes.length > 1 ? oddOne(value as readonly unknown[], sizes, 1) : undefined;
  if (odd !== undefined) throw inputError([inputFault(field + odd, 'ragged_array')]);
  return sizes;
}

/** The path of the first item that is no list of the size of its level; undefined when all are. */
function oddOne(items: readonly unknown[], sizes: readonly number[], depth: number): string | undefined {
  for (const [index, item] of items.entries()) {
    if (!Array.isArray(item) || item.length !== sizes[depth]) return `[${index}]`;
    const inner = depth + 1 < sizes.length ? oddOne(item, sizes, depth + 1) : undefined;
    if (inner !== undefined) return `[${index}]${inner}`;
  }
  return undefined;
}

/**
 * The concrete shape of a value that nests like this, or undefined where it does not fit what is declared. Sizes inside
 * an empty list cannot be seen: they are as declared, 0 where that is dynamic.
 */
export function resolveShape(declared: readonly Dimension[], nesting: readonly number[]): number[] | undefined {
  const endsEmpty = nesting.at(-1) === 0;
  if (endsEmpty ? nesting.length > declared.length : nesting.length !== declared.length) return undefined;
  const fits = nesting.every((size, index) => typeof declared[index] === 'string' || declared[index] === size);
  if (!fits) return undefined;
  return declared.map((size, index) => nesting[index] ?? (typeof size === 'string' ? 0 : size));
}

/** The error for a value that does not nest as declared. */
export function misshapen(field: string, value: unknown, declared: readonly Dimension[]): QuaysideError {
  if (value === null) return inputError([inputFault(field, 'null_not_allowed')]);
  const nesting = nestingOf(value, field);
  const has = nesting.length === 0 ? 'is a single value' : `has shape ${written(nesting)}`;
  return inputError([inputFault(field, 'shape_mismatch', `${has}; it takes ${written(declared)}`)]);
}

/** The indices of the `at`-th element, in row-major order, of lists of these sizes: `[1][0]`. */
export function indexPath(sizes: readonly number[], at: number): string {
  let path = '';
  let rest = at;
  for (const size of sizes.toReversed()) {
    path = `[${rest % size}]${path}`;
    rest = Math.floor(rest / size);
  }
  return path;
}

/** A shape for people: dynamic dimensions by their name, or -1. */
export function written(shape: readonly Dimension[]): string {
  return `[${shape.map((size) => (size === '' ? -1 : size)).join(',')}]`;
}
