import { endOfElements } from './bytes-layout';
import { BYTE_WIDTH, isFloat } from './dtypes';
import type { DecodeOptions } from './element-sink';
import { halfValue } from './half-floats';
import { type InputFaultCode, elementFault, inputError, inputFault } from './input-fault';
import { type Tensor, elementCount, viewOf } from './tensor';
import type { ShapedTarget } from './tensor-decoder';

/**
 * The tensor of raw bytes in the layout of `Tensor.bytes`, which it keeps without a copy: whoever frames a message cuts
 * it into tensors and hands each piece here; to write one, send its `bytes`. Throws invalid_framing where bytes are
 * missing or left over, a `BOOL` is not 0 or 1 or a `BYTES` layout does not end exactly, and invalid_input
 * (invalid_shape, too_many_elements; non_finite_not_allowed with `onNonFinite: 'reject'`).
 */
export function readBinary(
  target: ShapedTarget,
  bytes: Uint8Array,
  { onNonFinite = 'accept' }: Pick<DecodeOptions, 'onNonFinite'> = {},
): Tensor {
  const { dtype, shape, field } = target;
  const count = elementCount(shape, `${field}.shape`);
  const tensor = { dtype, shape, bytes };
  const fault = layoutFault(tensor, count);
  if (fault) throw inputError([inputFault(field, fault.code, fault.says)], 'invalid_framing');
  if (onNonFinite === 'reject') refuseNonFinite(tensor, field);
  return tensor;
}

function layoutFault(
  { dtype, bytes }: Tensor,
  count: number,
): { readonly code: InputFaultCode; readonly says?: string } | undefined {
  if (dtype === 'BYTES')
    return endOfElements(bytes, 0, count) === bytes.length ? undefined : { code: 'invalid_layout' };
  const size = count * BYTE_WIDTH[dtype];
  if (bytes.length !== size) {
    return { code: 'size_mismatch', says: `has ${bytes.length} bytes; its shape and datatype take ${size}` };
  }
  if (dtype === 'BOOL' && bytes.some((byte) => byte > 1))
    return { code: 'bool_expected', says: 'must have bytes of 0 or 1' };
  return undefined;
}

function refuseNonFinite(tensor: Tensor, field: string): void {
  const { dtype } = tensor;
  if (!isFloat(dtype)) return;
  const valueOf =
    dtype === 'FP16' || dtype === 'BF16' ? (bits: number) => halfValue(dtype, bits) : (value: number) => value;
  const at = viewOf(tensor, dtype).findIndex((element) => !Number.isFinite(valueOf(element)));
  if (at >= 0) throw inputError([elementFault(`${field}[${at}]`, 'non_finite_not_allowed', dtype)]);
}
