import { isRawJson } from './redaction';

/** A value as jsonb takes it, and what had to be changed for that. */
export interface LogJson {
  readonly text: string;
  /** U+0000 or half a surrogate pair was replaced by U+FFFD. */
  readonly sanitized: boolean;
}

/** In JSON that was written well-formed: an escaped backslash, or what jsonb refuses. */
const ESCAPES = /\\\\|\\u0000|\\ud[89a-f][0-9a-f]{2}/g;
const NON_FINITE: ReadonlySet<unknown> = new Set(['NaN', 'Infinity', '-Infinity']);

/**
 * Canonical JSON v1 of a value: `"-0"`, `"NaN"`, `"Infinity"` and `"-Infinity"` for what jsonb would refuse or change, and
 * U+FFFD for text that it refuses. `JSON.stringify` does nearly all of it, as it is many times faster than a walk.
 */
export function toLogJson(value: unknown): LogJson {
  const written = hasSpecialNumber(value) ? JSON.stringify(value, plain) : JSON.stringify(value);
  if (!written.includes('\\u')) return { text: written, sanitized: false };
  let sanitized = false;
  const text = written.replace(ESCAPES, (escape) => {
    if (escape === '\\\\') return escape;
    sanitized = true;
    return '\uFFFD';
  });
  return { text, sanitized };
}

/** Whether an answer has NaN or an infinity in it, as a number or as answers write it. */
export function hasNonFinite(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return NON_FINITE.has(value);
  return Array.isArray(value) ? value.some(hasNonFinite) : Object.values(value).some(hasNonFinite);
}

function hasSpecialNumber(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value) || Object.is(value, -0);
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasSpecialNumber);
  for (const key in value) if (hasSpecialNumber((value as Record<string, unknown>)[key])) return true;
  return isRawJson(value) && value.rawJSON === '-0';
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return '-0';
  if (typeof value === 'object' && value !== null && isRawJson(value) && value.rawJSON === '-0') return '-0';
  return value;
}
