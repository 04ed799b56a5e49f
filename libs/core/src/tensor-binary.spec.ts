import { packElements } from './bytes-layout';
import type { Dtype } from './dtypes';
import { textsOf } from './tensor';
import { readBinary } from './tensor-binary';

function faultOf(dtype: Dtype, shape: readonly number[], hex: string): unknown {
  try {
    return readBinary({ dtype, shape, field: 'inputs[0]' }, Buffer.from(hex, 'hex'), { onNonFinite: 'reject' });
  } catch (error) {
    const { code, details } = error as { code: string; details: { field: string; code: string }[] };
    return `${code} ${details[0]?.field} ${details[0]?.code}`;
  }
}

describe(readBinary.name, () => {
  it('keeps the bytes without a copy', () => {
    const bytes = packElements(['a', 'é']);
    const tensor = readBinary({ dtype: 'BYTES', shape: [2], field: 'x' }, bytes);
    expect(tensor.bytes).toBe(bytes);
    expect(textsOf(tensor)).toEqual(['a', 'é']);
  });

  it.each<[Dtype, number[], string, string]>([
    ['FP32', [2], '0000803f', 'invalid_framing inputs[0] size_mismatch'],
    ['FP32', [1], '0000803f00', 'invalid_framing inputs[0] size_mismatch'],
    ['BOOL', [2], '0102', 'invalid_framing inputs[0] bool_expected'],
    ['BYTES', [1], '02000000ff', 'invalid_framing inputs[0] invalid_layout'],
    ['BYTES', [1], 'ffffffff00', 'invalid_framing inputs[0] invalid_layout'],
    ['BYTES', [2], '00000000', 'invalid_framing inputs[0] invalid_layout'],
    ['BYTES', [1], '0000000000', 'invalid_framing inputs[0] invalid_layout'],
    ['BYTES', [1], '000000', 'invalid_framing inputs[0] invalid_layout'],
    ['BYTES', [2 ** 28], '', 'invalid_framing inputs[0] invalid_layout'],
    ['FP32', [-1], '', 'invalid_input inputs[0].shape invalid_shape'],
    ['FP32', [2 ** 31, 2 ** 31], '', 'invalid_input inputs[0].shape too_many_elements'],
    ['FP32', [2], '0000803f0000c07f', 'invalid_input inputs[0][1] non_finite_not_allowed'],
    ['FP16', [1], '007c', 'invalid_input inputs[0][0] non_finite_not_allowed'],
    ['BF16', [1], 'c07f', 'invalid_input inputs[0][0] non_finite_not_allowed'],
  ])('refuses %s %j of %s with %s', (dtype, shape, hex, fault) => {
    expect(faultOf(dtype, shape, hex)).toBe(fault);
  });

  it('takes a tensor without elements', () => {
    expect(faultOf('FP32', [0, 4], '')).toMatchObject({ shape: [0, 4] });
    expect(faultOf('BYTES', [0], '')).toMatchObject({ shape: [0] });
  });
});
