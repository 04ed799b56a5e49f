import { type InputFaultCode, inputError, inputFault } from './input-fault';

/** RFC 3339 date-time; the zone is optional here only so that its absence gets a code of its own. */
const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|([+-])(\d\d):(\d\d))?$/;
/** 0001-01-01T00:00:00Z, and the first microsecond after 9999. */
const FIRST_US = -62_135_596_800_000_000n;
const END_US = 253_402_300_800_000_000n;
const MICROS_PER_SECOND = 1_000_000n;

/**
 * Microseconds since the Unix epoch, UTC, of an RFC 3339 text with `Z` or an offset. Takes years 0001 to 9999 and at
 * most 6 significant fraction digits. The process's own time zone plays no part. Throws invalid_input with the detail
 * string_expected, timezone_required, timestamp_precision, invalid_timestamp, null_not_allowed or missing_input.
 */
export function decodeTimestamp(value: unknown, field: string): bigint {
  const micros = typeof value === 'string' ? parseMicros(value) : refusal(value);
  if (typeof micros === 'bigint') return micros;
  throw inputError([inputFault(field, micros)]);
}

/** RFC 3339 text in UTC with `Z` and 0, 3 or 6 fraction digits. Throws RangeError outside of years 0001 to 9999. */
export function encodeTimestamp(micros: bigint): string {
  if (micros < FIRST_US || micros >= END_US) throw new RangeError('the timestamp is outside of years 0001 to 9999');
  const fraction = ((micros % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND;
  const seconds = (micros - fraction) / MICROS_PER_SECOND;
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
  return `${whole}${fractionText(fraction)}Z`;
}

function fractionText(micros: bigint): string {
  if (micros === 0n) return '';
  const digits = micros.toString().padStart(6, '0');
  return `.${digits.endsWith('000') ? digits.slice(0, 3) : digits}`;
}

function refusal(value: unknown): InputFaultCode {
  if (value === undefined) return 'missing_input';
  return value === null ? 'null_not_allowed' : 'string_expected';
}

function parseMicros(text: string): bigint | InputFaultCode {
  const parts = RFC_3339.exec(text);
  if (!parts) return 'invalid_timestamp';
  if (parts[8] === undefined) return 'timezone_required';
  const seconds = epochSeconds(parts);
  if (seconds === undefined) return 'invalid_timestamp';
  const fraction = parts[7] ?? '';
  if (/[1-9]/.test(fraction.slice(6))) return 'timestamp_precision';
  const micros = BigInt(seconds) * MICROS_PER_SECOND + BigInt(fraction.slice(0, 6).padEnd(6, '0'));
  return micros < FIRST_US || micros >= END_US ? 'invalid_timestamp' : micros;
}

/** Seconds since the epoch, or undefined for a date or a time that does not exist. */
function epochSeconds(parts: RegExpExecArray): number | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1, 7).map(Number);
  const [offsetHours, offsetMinutes] = [Number(parts[10] ?? 0), Number(parts[11] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHours > 23 || offsetMinutes > 59) return undefined;
  const date = new Date(0);
  // Not Date.UTC, which reads years 0 to 99 as 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  // A day that its month lacks has moved the date to another month.
  if (year < 1 || date.getUTCMonth() !== month - 1) return undefined;
  const offset = (parts[9] === '-' ? -60 : 60) * (offsetHours * 60 + offsetMinutes);
  return date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset;
}
