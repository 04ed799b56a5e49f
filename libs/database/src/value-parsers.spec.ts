import fc from 'fast-check';
import { parserOf } from './value-parsers';

const read = (oid: number, text: string): unknown => (parserOf(oid, 'text') as (text: string) => unknown)(text);
const INT8 = 20;
const TIMESTAMP = 1114;
const TIMESTAMPTZ = 1184;

describe('parserOf', () => {
  it('reads every int8 whole', () => {
    const int8 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(fc.property(int8, (value) => read(INT8, value.toString()) === value));
  });

  it('reads every moment of our era to the microsecond', () => {
    const millis = fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 });
    fc.assert(
      fc.property(millis, fc.integer({ min: 0, max: 999 }), (ms, us) => {
        const text = new Date(ms)
          .toISOString()
          .replace('T', ' ')
          .replace('Z', `${String(us).padStart(3, '0')}+00`);
        return read(TIMESTAMPTZ, text) === BigInt(ms) * 1000n + BigInt(us);
      }),
    );
  });

  it.each(['infinity', '-infinity', '0044-03-15 00:00:00+00 BC', '2026-03-08 02:30:00-05', '294276-12-31 00:00:00+00'])(
    'refuses a moment that it cannot tell: %s',
    (text) => {
      expect(() => read(TIMESTAMPTZ, text)).toThrow(RangeError);
    },
  );

  it('refuses a timestamp without time zone', () => {
    expect(() => read(TIMESTAMP, '2026-03-08 02:30:00')).toThrow(TypeError);
  });

  it.each([114, 3802, 1082, 1700, 1009, 17, 999_999])('leaves what it does not know as it came: type %i', (oid) => {
    expect(read(oid, '{"a": 1.10}')).toBe('{"a": 1.10}');
  });
});
