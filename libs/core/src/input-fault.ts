import { type Dtype, INTEGER_RANGE, isInteger } from './dtypes';
import { type ErrorDetail, QuaysideError } from './errors';

/**
 * What can be wrong with one value, array or shape: the codes of `details[].code` under `invalid_input` and
 * `invalid_framing`, with the end of the sentence that begins with the field. Listed in `docs/numbers.md`.
 */
export const INPUT_FAULTS = {
  missing_input: 'is missing; send a value',
  null_not_allowed: 'must not be null; send a value',
  bool_expected: 'must be true or false',
  number_expected: 'must be a number',
  string_expected: 'must be a string',
  not_integral: 'must be a whole number',
  out_of_range: 'is out of range',
  int64_unsafe_number: 'is beyond 2^53 - 1, where a JSON number loses digits; send it as a string of digits',
  invalid_integer_string: 'must be a number or a string of decimal digits, without plus sign, spaces or leading zeros',
  invalid_number_string: 'must be a number; the only strings taken are "NaN", "Infinity" and "-Infinity"',
  non_finite_not_allowed: 'must be finite: this model takes no NaN and no infinity',
  invalid_unicode: 'must be well-formed Unicode; it has half of a surrogate pair or bytes that are not UTF-8',
  nul_character: 'must not contain the character U+0000',
  invalid_base64: 'must be base64 as in RFC 4648 section 4, with padding and without spaces',
  timezone_required: 'must name its time zone: end it with Z or an offset such as +05:30',
  timestamp_precision: 'must not be finer than a microsecond',
  invalid_timestamp: 'must be a date and time that exist, as in RFC 3339: 2026-01-01T00:00:00Z',
  invalid_shape: 'must be a list of at most 64 whole numbers, none negative',
  too_many_elements: 'asks for more elements than the server takes',
  shape_mismatch: 'does not have the right shape',
  ragged_array: 'does not nest like its neighbours; arrays of one level must have one length',
  size_mismatch: 'does not have the right number of bytes',
  invalid_layout: 'must be elements of a 4-byte little-endian length and that many bytes, ending exactly',
} as const satisfies Record<string, string>;

/** What is wrong with one value, array or shape. */
export type InputFaultCode = keyof typeof INPUT_FAULTS;

/** Details beyond this many are not collected: the first ones are what a caller fixes. */
export const MAX_FAULTS = 10;

/** One fault as an error detail; `says` replaces the catalogue's sentence where the place knows more. */
export function inputFault(field: string, code: InputFaultCode, says?: string): ErrorDetail {
  return { field, code, message: `${field} ${says ?? INPUT_FAULTS[code]}.` };
}

/** One fault of an element, with its dtype (`name`: what that is called) and, where it helps, the range. */
export function elementFault(field: string, code: InputFaultCode, dtype: Dtype, name: string = dtype): ErrorDetail {
  return inputFault(field, code, `${INPUT_FAULTS[code]} (${code === 'out_of_range' ? rangeOf(dtype) : name})`);
}

/** The error for one or more faults; its message is the first one's. */
export function inputError(
  faults: readonly ErrorDetail[],
  code: 'invalid_input' | 'invalid_framing' = 'invalid_input',
): QuaysideError {
  const [first] = faults;
  const others = faults.length > 1 ? ` ${faults.length - 1} more in details.` : '';
  return new QuaysideError(code, `${first?.message ?? 'The input does not fit.'}${others}`, { details: faults });
}

function rangeOf(dtype: Dtype): string {
  if (!isInteger(dtype)) return `it overflows ${dtype}`;
  const [min, max] = INTEGER_RANGE[dtype];
  return `${dtype} is ${min} to ${max}`;
}
