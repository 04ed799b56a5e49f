import { packElements } from './bytes-layout';
import { BYTE_WIDTH, type Dtype, type FloatDtype, INTEGER_RANGE } from './dtypes';
import { halfBits, isHalfFinite } from './half-floats';
import type { InputFaultCode } from './input-fault';
import { writeSafeInteger } from './tensor';

/** How a client's JSON values become elements. */
export interface DecodeOptions {
  /** `BOOL` takes 0 and 1 as well. Default false. */
  readonly coerce?: boolean;
  /** Floats take null, as NaN. Default false: null_not_allowed. */
  readonly nullAsNan?: boolean;
  /** `reject` refuses NaN and the infinities with non_finite_not_allowed. Default `accept`. */
  readonly onNonFinite?: 'accept' | 'reject';
  /** `BYTES` strings hold base64 instead of text. */
  readonly contentType?: 'base64';
  /** `reject` refuses U+0000 in text with nul_character, as STRING features must. Default `accept`. */
  readonly nulCharacter?: 'accept' | 'reject';
  /** What messages call the dtype. Default: its own name. */
  readonly dtypeName?: string;
}

/** Where decoded elements go. Each dtype has its own, so that the loop over elements does not ask for it. */
export interface ElementSink {
  /** Stores a JSON value as element `at`; gives the fault's code when the value is refused. */
  put(value: unknown, at: number): InputFaultCode | undefined;
  /** The tensor's bytes, once every element is stored. */
  bytes(): Uint8Array;
}

/** A sink for `count` elements of a dtype, which are judged by the table in `docs/numbers.md`. */
export function elementSink(dtype: Dtype, count: number, options: DecodeOptions): ElementSink {
  switch (dtype) {
    case 'BYTES':
      return options.contentType === 'base64' ? base64Sink(count) : textSink(count, options);
    case 'BOOL':
      return boolSink(count, options);
    case 'INT64':
    case 'UINT64':
      return wideIntegerSink(dtype, count);
    case 'FP16':
    case 'BF16':
    case 'FP32':
    case 'FP64':
      return floatSink(dtype, count, options);
    default:
      return integerSink(dtype, count);
  }
}

/** The code for a value of a wrong type: what is absent or null says so, whatever was expected. */
function wrongType(value: unknown, expected: InputFaultCode): InputFaultCode {
  if (value === undefined) return 'missing_input';
  return value === null ? 'null_not_allowed' : expected;
}

function boolSink(count: number, { coerce = false }: DecodeOptions): ElementSink {
  const bytes = new Uint8Array(count);
  const put = (value: unknown, at: number): InputFaultCode | undefined => {
    const taken = typeof value === 'boolean' || (coerce && (value === 0 || value === 1));
    if (!taken) return wrongType(value, 'bool_expected');
    bytes[at] = value ? 1 : 0;
    return undefined;
  };
  return { put, bytes: () => bytes };
}

const INTEGER_VIEWS = {
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
} as const;

function integerSink(dtype: keyof typeof INTEGER_VIEWS, count: number): ElementSink {
  const view = new INTEGER_VIEWS[dtype](count);
  const [min, max] = INTEGER_RANGE[dtype].map(Number) as [number, number];
  const put = (value: unknown, at: number): InputFaultCode | undefined => {
    if (typeof value !== 'number') return wrongType(value, 'number_expected');
    if (value < min || value > max) return 'out_of_range';
    if (!Number.isInteger(value)) return 'not_integral';
    view[at] = value;
    return undefined;
  };
  return { put, bytes: () => new Uint8Array(view.buffer) };
}

const INTEGER_TEXT = /^-?(?:0|[1-9]\d*)$/;
/** No 64-bit integer has more characters; longer ones are refused before BigInt, whose time grows faster than they. */
const MAX_INTEGER_TEXT = 20;

function wideIntegerSink(dtype: 'INT64' | 'UINT64', count: number): ElementSink {
  const words = new Uint32Array(count * 2);
  const wide = new BigInt64Array(words.buffer);
  const [min, max] = INTEGER_RANGE[dtype];
  const putText = (text: string, at: number): InputFaultCode | undefined => {
    if (!INTEGER_TEXT.test(text)) return 'invalid_integer_string';
    if (text.length > MAX_INTEGER_TEXT) return 'out_of_range';
    const value = BigInt(text);
    if (value < min || value > max) return 'out_of_range';
    wide[at] = value;
    return undefined;
  };
  const put = (value: unknown, at: number): InputFaultCode | undefined => {
    if (typeof value === 'string') return putText(value, at);
    if (typeof value !== 'number') return wrongType(value, 'number_expected');
    if (!Number.isSafeInteger(value)) return unsafeNumber(value);
    if (value < min) return 'out_of_range';
    writeSafeInteger(words, at, value);
    return undefined;
  };
  return { put, bytes: () => new Uint8Array(words.buffer) };
}

function unsafeNumber(value: number): InputFaultCode {
  if (!Number.isFinite(value)) return 'out_of_range';
  return Number.isInteger(value) ? 'int64_unsafe_number' : 'not_integral';
}

const NON_FINITE: ReadonlyMap<unknown, number> = new Map([
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

function floatSink(dtype: FloatDtype, count: number, options: DecodeOptions): ElementSink {
  const bytes = new Uint8Array(count * BYTE_WIDTH[dtype]);
  const store = floatStore(dtype, bytes.buffer);
  const { nullAsNan = false, onNonFinite = 'accept' } = options;
  const putSpecial = (value: unknown, at: number): InputFaultCode | undefined => {
    const special = nullAsNan && value === null ? NaN : NON_FINITE.get(value);
    if (special === undefined)
      return wrongType(value, typeof value === 'string' ? 'invalid_number_string' : 'number_expected');
    if (onNonFinite === 'reject') return 'non_finite_not_allowed';
    store(special, at);
    return undefined;
  };
  const put = (value: unknown, at: number): InputFaultCode | undefined => {
    if (typeof value !== 'number') return putSpecial(value, at);
    return store(value, at) ? undefined : 'out_of_range';
  };
  return { put, bytes: () => bytes };
}

/** Stores a number rounded once to the dtype; false when it is not finite there. */
function floatStore(dtype: FloatDtype, buffer: ArrayBuffer): (value: number, at: number) => boolean {
  if (dtype === 'FP16' || dtype === 'BF16') {
    const halves = new Uint16Array(buffer);
    return (value, at) => isHalfFinite(dtype, (halves[at] = halfBits(dtype, value)));
  }
  if (dtype === 'FP64') {
    const doubles = new Float64Array(buffer);
    return (value, at) => Number.isFinite((doubles[at] = value));
  }
  const floats = new Float32Array(buffer);
  return (value, at) => Number.isFinite((floats[at] = Math.fround(value)));
}

function textSink(count: number, { nulCharacter = 'accept' }: DecodeOptions): ElementSink {
  const texts = new Array<string>(count).fill('');
  const put = (value: unknown, at: number): InputFaultCode | undefined => {
    if (typeof value !== 'string') return wrongType(value, 'string_expected');
    if (!value.isWellFormed()) return 'invalid_unicode';
    if (nulCharacter === 'reject' && value.includes('\0')) return 'nul_character';
    texts[at] = value;
    return undefined;
  };
  return { put, bytes: () => packElements(texts) };
}

function base64Sink(count: number): ElementSink {
  const elements = new Array<Uint8Array>(count);
  const put = (value: unknown, at: number): InputFaultCode | undefined => {
    if (typeof value !== 'string') return wrongType(value, 'string_expected');
    const bytes = Buffer.from(value, 'base64');
    // Node's decoder skips what is not base64; only what it would write again was canonical.
    if (bytes.toString('base64') !== value) return 'invalid_base64';
    elements[at] = bytes;
    return undefined;
  };
  return { put, bytes: () => packElements(elements) };
}
