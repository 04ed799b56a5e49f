import { types } from 'pg';

type ParserOf = typeof types.getTypeParser;
type Parse = (text: string) => unknown;

/** A timestamptz as a session in UTC with ISO dates writes it. */
const TIMESTAMPTZ = /^(\d{4,})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?\+00$/;

const raw: Parse = (text) => text;

/** bool, int2, int4, oid, float4, float8: what `pg` makes of these is exact. */
const AS_PG_DOES = [16, 21, 23, 26, 700, 701];

/** Object ids are those of `pg_type`. What stands neither here nor above stays the text that PostgreSQL sent. */
const PARSERS: ReadonlyMap<number, Parse> = new Map<number, Parse>([
  [20, BigInt],
  [1184, microsOf],
  [1114, refuseTimestamp],
  [1115, refuseTimestamp],
  ...AS_PG_DOES.map((oid) => [oid, types.getTypeParser(oid, 'text') as Parse] as const),
]);

/**
 * How each value of a row is read, for `types.getTypeParser` of one connection. The parsers of `pg` itself shift dates by
 * the zone of the process, cut microseconds and round int64; nothing here does. int8 is a BigInt, timestamptz a BigInt of
 * microseconds since the Unix epoch; bool, int2, int4, float4 and float8 are what `pg` makes of them; anything else, json,
 * numeric, date and arrays too, is the raw text. Throws RangeError for an infinite or BC timestamptz, TypeError for a
 * timestamp without time zone.
 */
export const parserOf = ((oid: number): Parse => PARSERS.get(oid) ?? raw) as unknown as ParserOf;

function microsOf(text: string): bigint {
  const parts = TIMESTAMPTZ.exec(text);
  if (!parts) throw new RangeError('A timestamptz is infinite, before our era, or not in UTC: it has no microseconds.');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1, 7).map(Number);
  const date = new Date(0);
  // Not Date.UTC, which reads years 0 to 99 as 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  if (Number.isNaN(date.getTime())) throw new RangeError('A timestamptz is later than JavaScript can tell.');
  return BigInt(date.getTime()) * 1000n + BigInt((parts[7] ?? '').padEnd(6, '0'));
}

function refuseTimestamp(): never {
  throw new TypeError('A timestamp without time zone means nothing: the column has to be a timestamptz.');
}
