import { type JsonValue, decodeNested, tensorOf } from '@app/core';
import fc from 'fast-check';
import { cellJson, rowColumns } from './cell-reading';

const FLOAT: JsonValue = { anyOf: [{ type: 'number' }, { enum: ['NaN', 'Infinity', '-Infinity'] }] };
const WIDE: JsonValue = { anyOf: [{ type: 'integer' }, { type: 'string', pattern: '^-?(0|[1-9][0-9]{0,18})$' }] };

function read(cell: string, schema: JsonValue): string {
  const { readings } = rowColumns({ type: 'object', properties: { x: schema } });
  return cellJson(cell, readings.get('x'));
}

describe(cellJson.name, () => {
  it.each([
    ['1', '1'],
    ['-1.50', '-1.50'],
    [' 1 ', '1'],
    ['+1', '1'],
    ['007', '7'],
    ['-007.10', '-7.10'],
    ['.5', '0.5'],
    ['-.5', '-0.5'],
    ['5.', '5'],
    ['5.e3', '5e3'],
    ['1E+05', '1E+05'],
    ['-0', '-0'],
    ['0.1000000000000000055511151231257827', '0.1000000000000000055511151231257827'],
    ['123456789012345678901234567890', '123456789012345678901234567890'],
    ['1e400', '1e400'],
    ['NaN', '"NaN"'],
    ['nan', '"NaN"'],
    ['inf', '"Infinity"'],
    ['+Infinity', '"Infinity"'],
    ['-INF', '"-Infinity"'],
  ])('reads %j as the number %s', (cell, json) => {
    expect(read(cell, FLOAT)).toBe(json);
  });

  it.each(['', '.', '-', '1,5', '1 000', '0x10', '1_000', '1e', 'e5', '１', 'abc', '"', '--1', '1.2.3', 'Infinit'])(
    'leaves %j in a column of numbers a text, which the model refuses',
    (cell) => {
      expect(read(cell, FLOAT)).toBe(JSON.stringify(cell));
    },
  );

  it.each([
    ['9007199254740991', '9007199254740991'],
    ['9007199254740993', '"9007199254740993"'],
    ['-9223372036854775808', '"-9223372036854775808"'],
    ['+0018446744073709551615', '"18446744073709551615"'],
    ['-0', '-0'],
    ['1e3', '1e3'],
  ])('reads %j as the 64-bit integer %s', (cell, json) => {
    expect(read(cell, WIDE)).toBe(json);
  });

  it.each([
    ['true', 'true'],
    ['FALSE', 'false'],
    ['1', 'true'],
    ['0', 'false'],
    ['yes', '"yes"'],
  ])('reads %j in a column of booleans as %s', (cell, json) => {
    expect(read(cell, { type: 'boolean' })).toBe(json);
    expect(read(cell, { enum: [true, false, 'true', 'false'] })).toBe(json);
  });

  it('leaves 0 and 1 numbers where booleans may be numbers', () => {
    expect(['true', '1', '0'].map((cell) => read(cell, { enum: [true, false, 0, 1] }))).toEqual(['true', '1', '0']);
  });

  it.each(['007', '1.0', 'true', 'null', '[1]', ' a ', '"', 'é\n😀'])(
    'reads %j in a column of texts as it stands',
    (cell) => {
      expect(read(cell, { type: 'string' })).toBe(JSON.stringify(cell));
      expect(read(cell, { type: ['string', 'integer', 'boolean'] })).toBe(JSON.stringify(cell));
      expect(cellJson(cell)).toBe(JSON.stringify(cell));
    },
  );

  it.each([
    ['[1.10, [2]]', '[1.10, [2]]'],
    [' {"a":\n[0.1]} ', '{"a": [0.1]}'],
    ['[1', '"[1"'],
    ['[NaN]', '"[NaN]"'],
    ['1', '"1"'],
  ])('reads %j in a column of lists as %s', (cell, json) => {
    expect(read(cell, { type: 'array', items: { type: 'number' } })).toBe(json);
  });

  it('gives every float and every 64-bit integer to the model as the same bits', () => {
    const doubles = fc.double({ noDefaultInfinity: true, noNaN: true });
    const exact = (dtype: 'FP64' | 'INT64', json: string) =>
      decodeNested({ dtype, shape: [], field: 'x' }, JSON.parse(json) as unknown).bytes;
    fc.assert(
      fc.property(doubles, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (double, integer) => {
        const written = Object.is(double, -0) ? '-0' : String(double);
        expect(exact('FP64', read(written, FLOAT))).toEqual(tensorOf('FP64', [], [double]).bytes);
        expect(exact('INT64', read(String(integer), WIDE))).toEqual(tensorOf('INT64', [], [integer]).bytes);
      }),
    );
  });
});

describe(rowColumns.name, () => {
  it('knows what a row must have, and whether it may have more', () => {
    const properties: JsonValue = { a: { type: 'string' }, b: FLOAT };
    expect(rowColumns({ properties, required: ['a'], additionalProperties: false })).toMatchObject({
      required: ['a'],
      isOpen: false,
    });
    expect(rowColumns({ properties })).toMatchObject({ required: [], isOpen: true });
    expect([...rowColumns({ properties }).readings.keys()]).toEqual(['a', 'b']);
  });
});
