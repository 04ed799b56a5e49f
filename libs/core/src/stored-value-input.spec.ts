import type { QuaysideError } from './errors';
import type { StoredDtype } from './stored-value';
import { decodeKeyText, decodeStoredInput } from './stored-value-input';
import { tensorOf } from './tensor';

function codesOf(act: () => unknown): readonly string[] {
  try {
    act();
    return [];
  } catch (error) {
    return (error as QuaysideError).details.map(({ field, code }) => `${field} ${code}`);
  }
}

describe(decodeStoredInput.name, () => {
  it.each([
    ['FP32', 0.1, Math.fround(0.1)],
    ['FP32', 'NaN', NaN],
    ['FP64', '-0', -0],
    ['FP64', -0, -0],
    ['FP16', 0.1, 0.0999755859375],
    ['INT64', '9223372036854775807', 9_223_372_036_854_775_807n],
    ['INT64', 5, 5n],
    ['INT32', 5, 5],
    ['BOOL', true, true],
    ['STRING', 'ü', 'ü'],
    ['TIMESTAMP', '2026-01-01T01:00:00.000001+01:00', 1_767_225_600_000_001n],
  ] as [StoredDtype, unknown, unknown][])('takes %s from %j', (dtype, json, value) => {
    expect(decodeStoredInput({ dtype, field: 'x' }, json)).toBe(value);
  });

  it.each([
    ['STRING', 5, 'x must be a string (STRING).'],
    ['BYTES', 5, 'x must be a string (BYTES).'],
  ] as [StoredDtype, unknown, string][])('calls %s by its name when it refuses %j', (dtype, json, message) => {
    expect(() => decodeStoredInput({ dtype, field: 'x' }, json)).toThrow(expect.objectContaining({ message }));
  });

  it('takes bytes as base64', () => {
    expect([...(decodeStoredInput({ dtype: 'BYTES', field: 'x' }, 'AP8=') as Uint8Array)]).toEqual([0, 255]);
  });

  it.each([
    ['FP32', ['-0'], 'x[0] invalid_number_string', [1]],
    ['INT32', '-0', 'x number_expected', undefined],
    ['FP32', 1e39, 'x out_of_range', undefined],
    ['INT64', 9_007_199_254_740_992, 'x int64_unsafe_number', undefined],
    ['INT8', 128, 'x out_of_range', undefined],
    ['STRING', 'a\0', 'x nul_character', undefined],
    ['STRING', '\ud800', 'x invalid_unicode', undefined],
    ['STRING', 5, 'x string_expected', undefined],
    ['BYTES', 'a', 'x invalid_base64', undefined],
    ['TIMESTAMP', '2026-01-01T00:00:00', 'x timezone_required', undefined],
    ['BOOL', 1, 'x bool_expected', undefined],
    ['FP32', [1, 2, 3], 'x shape_mismatch', [2]],
    ['FP32', [1, 'a'], 'x[1] invalid_number_string', [2]],
    ['FP32', { $f32: 'AACAPw==', n: 1 }, 'x shape_mismatch', [2]],
    ['FP32', { $f64: 'AACAPw==', n: 1 }, 'x ragged_array', [1]],
    ['TIMESTAMP', ['2026-01-01T00:00:00Z', '2026'], 'x[1] invalid_timestamp', [2]],
  ] as [StoredDtype, unknown, string, number[] | undefined][])('refuses %s from %j: %s', (dtype, json, code, shape) => {
    const target = { dtype, field: 'x', ...(shape && { shape }) };
    expect(codesOf(() => decodeStoredInput(target, json))).toEqual([code]);
  });

  it('takes arrays as nested lists, and as they are stored', () => {
    const target = { dtype: 'FP32', shape: [2], field: 'x' } as const;
    expect(decodeStoredInput(target, [1, -0])).toEqual(tensorOf('FP32', [2], [1, -0]));
    expect(decodeStoredInput(target, { $f32: 'AACAPwAAAIA=', n: 2 })).toEqual(tensorOf('FP32', [2], [1, -0]));
    const moments = { dtype: 'TIMESTAMP', shape: [1], field: 'x' } as const;
    expect(decodeStoredInput(moments, ['1970-01-01T00:00:00.000001Z'])).toEqual(tensorOf('INT64', [1], [1n]));
  });
});

describe(decodeKeyText.name, () => {
  it.each([
    ['INT64', 42, '42'],
    ['INT64', '42', '42'],
    ['INT64', '-9223372036854775808', '-9223372036854775808'],
    ['UINT64', '18446744073709551615', '18446744073709551615'],
    ['INT8', '-5', '-5'],
    ['STRING', '42', '42'],
    ['STRING', '', ''],
    ['BOOL', 'true', 'true'],
    ['BOOL', false, 'false'],
    ['BYTES', 'AP8=', 'AP8='],
    ['TIMESTAMP', '2026-01-01T01:00:00+01:00', '2026-01-01T00:00:00Z'],
  ] as [StoredDtype, unknown, string][])('writes %s %j as %j', (dtype, value, text) => {
    expect(decodeKeyText({ dtype, field: 'id' }, value)).toBe(text);
  });

  it.each([
    ['INT64', '042', 'id invalid_integer_string'],
    ['INT64', 1.5, 'id not_integral'],
    ['INT8', 128, 'id out_of_range'],
    ['UINT64', -1, 'id out_of_range'],
    ['STRING', 42, 'id string_expected'],
    ['STRING', 'a\0', 'id nul_character'],
    ['INT64', undefined, 'id missing_input'],
    ['INT64', null, 'id null_not_allowed'],
  ] as [StoredDtype, unknown, string][])('refuses %s %j: %s', (dtype, value, code) => {
    expect(codesOf(() => decodeKeyText({ dtype, field: 'id' }, value))).toEqual([code]);
  });
});
