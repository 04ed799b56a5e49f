import { isRawJson } from './redaction';

/** A value as PostgreSQL takes it, and what had to be changed for that. */
export interface LogJson {
  readonly text: string;
  /** U+0000 or half a surrogate pair was replaced by U+FFFD. */
  readonly sanitized: boolean;
}

/** In JSON that was written well-formed: an escaped backslash, or what PostgreSQL cannot hold as text. */
const ESCAPES = /\\\\|\\u0000|\\ud[89a-f][0-9a-f]{2}/g;

/**
 * Canonical JSON v1 of a value: `"-0"`, `"NaN"`, `"Infinity"` and `"-Infinity"` for what JSON does not know or readers
 * change, and U+FFFD for text that PostgreSQL cannot hold.
 */
export function toLogJson(value: unknown): LogJson {
  return sanitized(writeJson(value));
}

/** Canonical JSON that may still hold what PostgreSQL cannot. `JSON.stringify` is many times faster than a walk. */
export function writeJson(value: unknown): string {
  return hasSpecialNumber(value) ? JSON.stringify(value, plain) : JSON.stringify(value);
}

/** What `writeJson` gave, and pieces of it, with U+FFFD for text that PostgreSQL cannot hold. */
export function sanitized(written: string): LogJson {
  if (!written.includes('\\u')) return { text: written, sanitized: false };
  let isChanged = false;
  const text = written.replace(ESCAPES, (escape) => {
    if (escape === '\\\\') return escape;
    isChanged = true;
    return '\uFFFD';
  });
  return { text, sanitized: isChanged };
}

/** Whether an answer has NaN or an infinity in it, as a number or as answers write it. */
export function hasNonFinite(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value);
  if (typeof value === 'string') return value === 'NaN' || value === 'Infinity' || value === '-Infinity';
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasNonFinite);
  for (const key in value) if (hasNonFinite((value as Record<string, unknown>)[key])) return true;
  return false;
}

function hasSpecialNumber(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value) || Object.is(value, -0);
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasSpecialNumber);
  for (const key in value) if (hasSpecialNumber((value as Record<string, unknown>)[key])) return true;
  return 'rawJSON' in value && isRawJson(value) && value.rawJSON === '-0';
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return '-0';
  if (typeof value === 'object' && value !== null && isRawJson(value) && value.rawJSON === '-0') return '-0';
  return value;
}
