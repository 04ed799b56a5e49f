import fc from 'fast-check';
import { DTYPES, type Dtype } from './dtypes';
import { halfValue } from './half-floats';
import { type StoredDtype, type StoredValue, decodeStored, decodeStoredTensor, encodeStored } from './stored-value';
import { encodeStoredTensor, isTensor } from './stored-value';
import { tensorOf } from './tensor';

const bits = fc.integer({ min: 0, max: 0xffff_ffff });
const text = fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', ''));

/** Any FP32, drawn by its bits so that subnormals and NaN are as likely as others. */
const single = bits.map((word) => new Float32Array(new Uint32Array([word]).buffer)[0] ?? 0);
const double = fc.tuple(bits, bits).map((words) => new Float64Array(new Uint32Array(words).buffer)[0] ?? 0);

const VALUES: Record<StoredDtype, fc.Arbitrary<StoredValue>> = {
  BOOL: fc.boolean(),
  INT8: fc.integer({ min: -128, max: 127 }),
  INT16: fc.integer({ min: -32_768, max: 32_767 }),
  INT32: fc.integer(),
  INT64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  UINT8: fc.nat(255),
  UINT16: fc.nat(65_535),
  UINT32: bits,
  UINT64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  FP16: fc.nat(65_535).map((word) => halfValue('FP16', word)),
  BF16: fc.nat(65_535).map((word) => halfValue('BF16', word)),
  FP32: single,
  FP64: double,
  BYTES: fc.uint8Array(),
  STRING: text,
  TIMESTAMP: fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n }),
};

/** Through the text that jsonb would get and give. */
function travelled(dtype: StoredDtype, value: StoredValue): StoredValue {
  return decodeStored(dtype, JSON.parse(JSON.stringify(encodeStored(dtype, value))));
}

function same(left: StoredValue, right: StoredValue): boolean {
  if (typeof left !== 'object') return Object.is(left, right);
  if (typeof right !== 'object') return false;
  if (!isTensor(left)) return !isTensor(right) && Buffer.compare(left, right) === 0;
  return isTensor(right) && left.dtype === right.dtype && Buffer.compare(left.bytes, right.bytes) === 0;
}

describe('stored values', () => {
  it.each(Object.entries(VALUES) as [StoredDtype, fc.Arbitrary<StoredValue>][])(
    'of %s come back with the same bits',
    (dtype, values) => {
      fc.assert(fc.property(values, (value) => same(travelled(dtype, value), value)));
    },
  );

  it.each([
    ['INT64', 9_223_372_036_854_775_807n, '"9223372036854775807"'],
    ['INT64', -9_223_372_036_854_775_808n, '"-9223372036854775808"'],
    ['UINT64', 18_446_744_073_709_551_615n, '"18446744073709551615"'],
    ['FP32', Math.fround(0.1), '0.10000000149011612'],
    ['FP64', 0.1, '0.1'],
    ['FP64', -0, '"-0"'],
    ['FP64', 5e-324, '5e-324'],
    ['FP32', NaN, '"NaN"'],
    ['FP32', Infinity, '"Infinity"'],
    ['FP16', -Infinity, '"-Infinity"'],
    ['INT8', -128, '-128'],
    ['BOOL', false, 'false'],
    ['STRING', 'NaN', '"NaN"'],
    ['TIMESTAMP', 1n, '"1970-01-01T00:00:00.000001Z"'],
    ['BYTES', new Uint8Array([0, 255]), '"AP8="'],
  ] as [StoredDtype, StoredValue, string][])('write %s %s as %s', (dtype, value, json) => {
    expect(JSON.stringify(encodeStored(dtype, value))).toBe(json);
    expect(same(travelled(dtype, value), value)).toBe(true);
  });

  it('write an array of FP32 as base64 of its little-endian bytes, with the number of its elements', () => {
    const tensor = tensorOf('FP32', [2], [1, -0]);
    expect(encodeStored('FP32', tensor)).toEqual({ $f32: 'AACAPwAAAIA=', n: 2 });
    expect(same(travelled('FP32', tensor), tensor)).toBe(true);
  });

  it('tell the shape of an array that is not a list', () => {
    const scalar = tensorOf('INT32', [], [7]);
    const table = tensorOf('INT64', [1, 2], [1n, 2n]);
    expect(encodeStoredTensor(scalar)).toMatchObject({ n: 1, shape: [] });
    expect(decodeStoredTensor(encodeStoredTensor(table))).toMatchObject({ dtype: 'INT64', shape: [1, 2] });
  });

  it.each(DTYPES.filter((dtype) => dtype !== 'BYTES'))('keep every bit of an array of %s', (dtype: Dtype) => {
    const bytes = Uint8Array.from({ length: 64 }, (_, at) => (dtype === 'BOOL' ? at % 2 : (at * 41 + 0x7f) % 256));
    const width = tensorOf(dtype, [1], [0]).bytes.length;
    const tensor = { dtype, shape: [64 / width], bytes };
    const back = decodeStoredTensor(JSON.parse(JSON.stringify(encodeStoredTensor(tensor))));
    expect(back).toMatchObject({ dtype, shape: [64 / width] });
    expect(Buffer.compare(back.bytes, bytes)).toBe(0);
  });

  it('write byte elements as text where all are text that jsonb takes, else as base64', () => {
    expect(encodeStoredTensor(tensorOf('BYTES', [2], ['é', '']))).toEqual({ $string: ['é', ''], n: 2 });
    expect(encodeStoredTensor(tensorOf('BYTES', [1], ['a\0']))).toEqual({ $bytes: ['YQA='], n: 1 });
    expect(encodeStoredTensor(tensorOf('BYTES', [1], [new Uint8Array([255])]))).toEqual({ $bytes: ['/w=='], n: 1 });
  });

  it('keep arrays of text and of moments', () => {
    const texts = tensorOf('BYTES', [2], ['a', 'ü']);
    const moments = tensorOf('INT64', [1], [1n]);
    expect(same(travelled('STRING', texts), texts)).toBe(true);
    expect(same(travelled('TIMESTAMP', moments), moments)).toBe(true);
  });

  it.each([
    ['INT64', 5],
    ['FP32', '1.5'],
    ['STRING', 5],
    ['BOOL', 1],
    ['BYTES', null],
    ['INT8', '-0'],
    ['FP32', { $f64: 'AAAAAAAA8D8=', n: 1 }],
    ['FP32', { $f32: 'AACAPw==', n: 2 }],
    ['FP32', { n: 0 }],
    ['STRING', { $string: ['a'], n: 2 }],
  ] as [StoredDtype, unknown][])('refuse to read %s from %j, which is never written', (dtype, json) => {
    expect(() => decodeStored(dtype, json)).toThrow();
  });
});
