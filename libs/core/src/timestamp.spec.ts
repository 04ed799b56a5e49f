import fc from 'fast-check';
import { decodeTimestamp, encodeTimestamp } from './timestamp';

const micros = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n });

function codeOf(value: unknown): unknown {
  try {
    return decodeTimestamp(value, 'row.at');
  } catch (error) {
    return (error as { details: { code: string }[] }).details[0]?.code;
  }
}

describe('timestamps', () => {
  it('come back as themselves, for any microsecond of the years 0001 to 9999', () => {
    fc.assert(fc.property(micros, (us) => decodeTimestamp(encodeTimestamp(us), 'at') === us));
  });

  it('agree with Date on whole milliseconds', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date(-62_135_596_800_000), max: new Date(253_402_214_400_000), noInvalidDate: true }),
        (date) => {
          expect(decodeTimestamp(date.toISOString(), 'at')).toBe(BigInt(date.getTime()) * 1000n);
        },
      ),
    );
  });

  it('take offsets of both signs, and lower-case letters', () => {
    const noon = decodeTimestamp('2026-01-01T12:00:00Z', 'at');
    for (const text of [
      '2026-01-01T13:30:00+01:30',
      '2026-01-01T04:00:00-08:00',
      '2026-01-01t12:00:00z',
      '2026-01-01T12:00:00-00:00',
    ]) {
      expect(decodeTimestamp(text, 'at')).toBe(noon);
    }
  });

  it.each([
    ['2026-01-01 00:00:00Z', 'invalid_timestamp'],
    ['2026-01-01T00:00Z', 'invalid_timestamp'],
    ['2026-01-01T00:00:00.Z', 'invalid_timestamp'],
    ['2026-01-01T00:00:00+0530', 'invalid_timestamp'],
    ['2026-01-01T00:00:00+24:00', 'invalid_timestamp'],
    ['2026-01-01T00:60:00Z', 'invalid_timestamp'],
    ['2026-13-01T00:00:00Z', 'invalid_timestamp'],
    ['2026-00-01T00:00:00Z', 'invalid_timestamp'],
    ['2026-01-00T00:00:00Z', 'invalid_timestamp'],
    ['2023-02-29T00:00:00Z', 'invalid_timestamp'],
    ['2026-01-01T00:00:00Z\n', 'invalid_timestamp'],
    ['٢٠٢٦-01-01T00:00:00Z', 'invalid_timestamp'],
    // The text's own year is legal, its UTC year is not: it could not be written again.
    ['0001-01-01T00:00:00+01:00', 'invalid_timestamp'],
    ['9999-12-31T23:59:59-01:00', 'invalid_timestamp'],
    ['2026-01-01T00:00:00.0000001Z', 'timestamp_precision'],
    [null, 'null_not_allowed'],
    [undefined, 'missing_input'],
    [['2026-01-01T00:00:00Z'], 'string_expected'],
  ])('refuse %j with %s', (value, code) => {
    expect(codeOf(value)).toBe(code);
  });

  it('are not written outside of the years 0001 to 9999', () => {
    expect(() => encodeTimestamp(253_402_300_800_000_000n)).toThrow(RangeError);
    expect(() => encodeTimestamp(-62_135_596_800_000_001n)).toThrow(RangeError);
  });
});
