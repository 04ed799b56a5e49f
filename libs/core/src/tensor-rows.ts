import { endOfElements } from './bytes-layout';
import type { Tensor } from './tensor';

/**
 * Rows `from` to `from + count` of dimension 0, as a view on the same bytes. Throws RangeError when the tensor is a
 * scalar or has fewer rows.
 */
export function sliceRows(tensor: Tensor, from: number, count: number): Tensor {
  const [rows, ...rest] = tensor.shape;
  if (rows === undefined || from < 0 || count < 0 || from + count > rows) {
    throw new RangeError(`no rows ${from} to ${from + count} in a tensor of shape [${tensor.shape.join(',')}]`);
  }
  const [start, end] = byteRange(tensor, { rows, from, count });
  return { dtype: tensor.dtype, shape: [count, ...rest], bytes: tensor.bytes.subarray(start, end) };
}

/** Every row of dimension 0 as a tensor of one row, in order: views on the same bytes, found in one pass. */
export function splitRows(tensor: Tensor): readonly Tensor[] {
  const [rows = 0, ...rest] = tensor.shape;
  const shape = [1, ...rest];
  const perRow = rest.reduce((product, size) => product * size, 1);
  const rowBytes = rows === 0 ? 0 : tensor.bytes.length / rows;
  let at = 0;
  return Array.from({ length: rows }, () => {
    const start = at;
    at = tensor.dtype === 'BYTES' ? (endOfElements(tensor.bytes, start, perRow) ?? start) : start + rowBytes;
    return { dtype: tensor.dtype, shape, bytes: tensor.bytes.subarray(start, at) };
  });
}

/**
 * Joins tensors along dimension 0; one tensor is given back as it is. Throws RangeError for none, and where dtypes or
 * the other dimensions differ.
 */
export function concatRows(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (!first) throw new RangeError('no tensors to join');
  if (tensors.length === 1) return first;
  const [, ...rest] = first.shape;
  let rows = 0;
  for (const tensor of tensors) {
    if (!joins(tensor, first)) throw new RangeError(`${described(tensor)} does not join ${described(first)}`);
    rows += tensor.shape[0] ?? 0;
  }
  return { dtype: first.dtype, shape: [rows, ...rest], bytes: joined(tensors.map((tensor) => tensor.bytes)) };
}

function byteRange(
  tensor: Tensor,
  { rows, from, count }: { readonly rows: number; readonly from: number; readonly count: number },
): readonly [number, number] {
  if (tensor.dtype === 'BYTES') {
    const perRow = tensor.shape.slice(1).reduce((product, size) => product * size, 1);
    const start = endOfElements(tensor.bytes, 0, from * perRow) ?? 0;
    return [start, endOfElements(tensor.bytes, start, count * perRow) ?? start];
  }
  const rowBytes = rows === 0 ? 0 : tensor.bytes.length / rows;
  return [from * rowBytes, (from + count) * rowBytes];
}

function joins(tensor: Tensor, first: Tensor): boolean {
  if (tensor.dtype !== first.dtype || tensor.shape.length !== first.shape.length || first.shape.length === 0)
    return false;
  return tensor.shape.every((size, dimension) => dimension === 0 || size === first.shape[dimension]);
}

function described(tensor: Tensor): string {
  return `${tensor.dtype} [${tensor.shape.join(',')}]`;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
