import fc from 'fast-check';
import { packElements } from './bytes-layout';
import { BYTE_WIDTH, DTYPES, type Dtype, type FloatDtype, INTEGER_RANGE, isFloat, isInteger } from './dtypes';
import { halfBits, halfValue } from './half-floats';
import { parseJsonBody } from './json-body';
import { type Tensor, elementsOf, tensorOf, viewOf } from './tensor';
import { readBinary } from './tensor-binary';
import { decodeElements, decodeJson, decodeNested } from './tensor-decoder';
import { type EncodeOptions, encodeJson, encodeNested } from './tensor-encoder';
import { concatRows, sliceRows, splitRows } from './tensor-rows';

const shapes = fc.array(fc.nat(4), { minLength: 1, maxLength: 3 });
const productOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Tensors of every dtype, any bits in them: NaNs with payloads, subnormals, byte strings that are not UTF-8. */
const tensors = fc.tuple(fc.constantFrom(...DTYPES), shapes).chain(([dtype, shape]) => tensorsOf(dtype, shape));

function tensorsOf(dtype: Dtype, shape: readonly number[]): fc.Arbitrary<Tensor> {
  const count = productOf(shape);
  const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
  if (dtype === 'BYTES') {
    const element = fc.oneof(fc.uint8Array({ maxLength: 5 }), fc.string({ unit: 'grapheme', maxLength: 5 }));
    return fc
      .array(element, { minLength: count, maxLength: count })
      .map((elements) => ({ dtype, shape, bytes: packElements(elements) }));
  }
  if (dtype === 'BOOL') return bytes(count).map((raw) => ({ dtype, shape, bytes: raw.map((byte) => byte & 1) }));
  return bytes(count * BYTE_WIDTH[dtype]).map((raw) => ({ dtype, shape, bytes: raw }));
}

/** JSON cannot carry which NaN it was: all become the quiet one. */
function withQuietNans(tensor: Tensor): Tensor {
  const { dtype, shape } = tensor;
  if (!isFloat(dtype)) return tensor;
  if (dtype === 'FP32' || dtype === 'FP64') {
    return tensorOf(
      dtype,
      shape,
      Array.from(viewOf(tensor, dtype), (value) => (Number.isNaN(value) ? NaN : value)),
    );
  }
  return tensorOf(
    dtype,
    shape,
    viewOf(tensor, dtype).map((bits) => halfBits(dtype, halfValue(dtype, bits))),
  );
}

const throughText = (value: unknown): unknown => parseJsonBody(new TextEncoder().encode(JSON.stringify(value)));
const hexOf = (tensor: Tensor): string => Buffer.from(tensor.bytes).toString('hex');
const writings = fc.record<EncodeOptions>({ int64: fc.constantFrom('auto', 'string') }, { requiredKeys: [] });

describe('tensors as JSON', () => {
  it('come back bit for bit from flat data', () => {
    fc.assert(
      fc.property(tensors, writings, (tensor, writing) => {
        const { data, parameters } = encodeJson(tensor, writing);
        const options = { ...(parameters.content_type && { contentType: parameters.content_type }) };
        const again = decodeJson({ ...tensor, field: 'inputs[0]' }, throughText(data), options);
        expect({ ...again, bytes: hexOf(again) }).toEqual({ ...tensor, bytes: hexOf(withQuietNans(tensor)) });
      }),
      { numRuns: 400 },
    );
  });

  it('come back bit for bit from their nesting, where all dimensions are dynamic', () => {
    fc.assert(
      fc.property(tensors, (tensor) => {
        const contentType = encodeJson(tensor).parameters.content_type;
        const [rows = 0, ...rest] = tensor.shape;
        const target = { dtype: tensor.dtype, shape: ['rows', ...rest.map(() => '')], field: 'inputs.x' };
        const again = decodeNested(target, throughText(encodeNested(tensor)), { ...(contentType && { contentType }) });
        expect(hexOf(again)).toBe(hexOf(withQuietNans(tensor)));
        // Below an empty list no size can be seen.
        if (again.bytes.length > 0) expect(again.shape).toEqual([rows, ...rest]);
      }),
      { numRuns: 400 },
    );
  });

  it('come back bit for bit as a field of rows', () => {
    fc.assert(
      fc.property(tensors, (tensor) => {
        const contentType = encodeJson(tensor).parameters.content_type;
        const target = {
          dtype: tensor.dtype,
          shape: tensor.shape.slice(1),
          fieldOf: (row: number) => `rows[${row}].x`,
        };
        const rows = throughText(encodeNested(tensor)) as unknown[];
        const again = decodeElements(target, rows, { ...(contentType && { contentType }) });
        expect({ ...again, bytes: hexOf(again) }).toEqual({ ...tensor, bytes: hexOf(withQuietNans(tensor)) });
      }),
      { numRuns: 400 },
    );
  });

  it('keep 64-bit integers exact as bare digits too', () => {
    const exact = fc.bigInt({ min: INTEGER_RANGE.UINT64[0], max: INTEGER_RANGE.UINT64[1] });
    fc.assert(
      fc.property(fc.array(exact), (values) => {
        const { data } = encodeJson(tensorOf('UINT64', [values.length], values), { int64: 'number' });
        expect(JSON.stringify(data)).toBe(`[${values.join(',')}]`);
      }),
    );
  });
});

describe('numbers', () => {
  const { f16round } = Math as unknown as { f16round(value: number): number };
  const ROUND: Readonly<Record<FloatDtype, (value: number) => number>> = {
    FP64: (value) => value,
    FP32: Math.fround,
    FP16: f16round,
    BF16: (value) => halfValue('BF16', halfBits('BF16', value)),
  };
  const doubles = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.float({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
  );

  it.each(Object.keys(ROUND) as FloatDtype[])('that %s takes come back as themselves, once rounded', (dtype) => {
    fc.assert(
      fc.property(doubles, (value) => {
        const decode = (): Tensor => decodeJson({ dtype, shape: [1], field: 'x' }, throughText([rawNumber(value)]));
        const rounded = ROUND[dtype](value);
        if (!Number.isFinite(rounded)) return expect(decode).toThrow(/out of range/);
        return expect(throughText(encodeJson(decode()).data)).toEqual([rounded]);
      }),
      { numRuns: 400 },
    );
  });

  it.each(DTYPES.filter(isInteger))('that are whole and in the range of %s come back, no others are taken', (dtype) => {
    const [min, max] = INTEGER_RANGE[dtype];
    fc.assert(
      fc.property(fc.oneof(doubles, fc.maxSafeInteger(), fc.integer({ min: -300, max: 300 })), (value) => {
        const decode = (): Tensor => decodeJson({ dtype, shape: [1], field: 'x' }, [value]);
        const fits = Number.isSafeInteger(value) && BigInt(value) >= min && BigInt(value) <= max;
        if (fits) expect(throughText(encodeJson(decode()).data)).toEqual([value + 0]);
        else expect(decode).toThrow(expect.objectContaining({ code: 'invalid_input' }));
      }),
      { numRuns: 400 },
    );
  });

  /** `JSON.stringify` loses the sign of zero, a client's text does not. */
  const rawNumber = (value: number): unknown => encodeJson(tensorOf('FP64', [1], [value])).data[0];
});

describe('tensors as bytes', () => {
  it('come back as they are, from unaligned places too, and give the same JSON', () => {
    fc.assert(
      fc.property(tensors, fc.nat(7), (tensor, offset) => {
        const sent = new Uint8Array(offset + tensor.bytes.length);
        sent.set(tensor.bytes, offset);
        const again = readBinary({ ...tensor, field: 'inputs[0]' }, sent.subarray(offset));
        expect(hexOf(again)).toBe(hexOf(tensor));
        expect(JSON.stringify(encodeJson(again))).toBe(JSON.stringify(encodeJson(tensor)));
      }),
    );
  });

  it('are refused when a byte is missing or left over', () => {
    fc.assert(
      fc.property(tensors, fc.integer({ min: -9, max: 9 }), (tensor, change) => {
        fc.pre(change !== 0 && tensor.bytes.length + change >= 0);
        const resized = new Uint8Array(tensor.bytes.length + change);
        resized.set(tensor.bytes.subarray(0, resized.length));
        expect(() => readBinary({ ...tensor, field: 'inputs[0]' }, resized)).toThrow(
          expect.objectContaining({ code: 'invalid_framing' }),
        );
      }),
    );
  });
});

describe('rows', () => {
  it('that were cut anywhere join to the same tensor', () => {
    fc.assert(
      fc.property(tensors, fc.array(fc.nat(4), { maxLength: 3 }), (tensor, cuts) => {
        const rows = tensor.shape[0] ?? 0;
        const edges = [0, ...cuts.map((cut) => Math.min(cut, rows)).sort((a, b) => a - b), rows];
        const parts = edges.slice(1).map((end, at) => sliceRows(tensor, edges[at] ?? 0, end - (edges[at] ?? 0)));
        const again = concatRows(parts);
        expect({ ...again, bytes: hexOf(again) }).toEqual({ ...tensor, bytes: hexOf(tensor) });
      }),
      { numRuns: 400 },
    );
  });

  it('that were told apart one by one join to the same tensor', () => {
    fc.assert(
      fc.property(tensors, (tensor) => {
        const rows = splitRows(tensor);
        const sliced = rows.map((_, row) => sliceRows(tensor, row, 1));
        expect(rows.map((row) => ({ ...row, bytes: hexOf(row) }))).toEqual(
          sliced.map((row) => ({ ...row, bytes: hexOf(row) })),
        );
        expect(rows).toHaveLength(tensor.shape[0] ?? 0);
      }),
      { numRuns: 400 },
    );
  });

  it('hold their own elements', () => {
    const texts = tensorOf('BYTES', [3, 2], ['a', 'bb', '', 'cc', 'd', 'e']);
    expect(elementsOf(sliceRows(texts, 1, 2)).map(String)).toEqual(
      ['', 'cc', 'd', 'e'].map((text) => String(new TextEncoder().encode(text))),
    );
    expect([...viewOf(sliceRows(tensorOf('INT16', [3, 2], [1, 2, 3, 4, 5, 6]), 1, 1))]).toEqual([3, 4]);
  });

  it.each([
    [-1, 1],
    [0, -1],
    [2, 2],
    [4, 0],
  ])('from %i, %i of them, are not cut out of three', (from, count) => {
    expect(() => sliceRows(tensorOf('INT8', [3], [1, 2, 3]), from, count)).toThrow(RangeError);
  });

  it('of another dtype, rank or width do not join', () => {
    const base = tensorOf('INT8', [1, 2], [1, 2]);
    for (const other of [
      tensorOf('UINT8', [1, 2], [1, 2]),
      tensorOf('INT8', [1, 3], [1, 2, 3]),
      tensorOf('INT8', [2], [1, 2]),
      tensorOf('INT8', [1, 2, 1], [1, 2]),
    ]) {
      expect(() => concatRows([base, other])).toThrow(RangeError);
    }
    expect(() => concatRows([])).toThrow(RangeError);
    expect(() => concatRows([tensorOf('INT8', [], [1]), tensorOf('INT8', [], [1])])).toThrow(RangeError);
    expect(() => sliceRows(tensorOf('INT8', [], [1]), 0, 1)).toThrow(RangeError);
  });
});
