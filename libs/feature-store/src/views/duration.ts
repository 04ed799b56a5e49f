const UNITS_US = { ms: 1000n, s: 1_000_000n, m: 60_000_000n, h: 3_600_000_000n, d: 86_400_000_000n } as const;
/** Longer than any data lives, and far inside of what PostgreSQL adds to a date. */
const MAX_US = 36_500n * UNITS_US.d;

/** What a duration is written like, for schemas and sentences. */
export const DURATION_PATTERN = '^[1-9][0-9]{0,11}(ms|s|m|h|d)$';

/** Microseconds of a duration such as `7d`; undefined for other texts, and beyond 36500 days. */
export function parseDuration(text: string): bigint | undefined {
  const [, count, unit] = /^([1-9]\d{0,11})(ms|s|m|h|d)$/.exec(text) ?? [];
  if (count === undefined || unit === undefined) return undefined;
  const micros = BigInt(count) * UNITS_US[unit as keyof typeof UNITS_US];
  return micros <= MAX_US ? micros : undefined;
}

/** A duration in its largest whole unit, as an author would write it. */
export function writeDuration(micros: bigint): string {
  const whole = Object.entries(UNITS_US).findLast(([, unit]) => micros % unit === 0n);
  return whole ? `${micros / whole[1]}${whole[0]}` : `${micros}us`;
}
