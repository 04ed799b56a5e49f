const NUL = '\u0000';

/** Whether a text or a key in a JSON value is none that PostgreSQL's jsonb takes: with a NUL, or half of a surrogate pair. */
export function hasUnstorableText(value: unknown): boolean {
  if (typeof value === 'string') return value.includes(NUL) || !value.isWellFormed();
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasUnstorableText);
  return Object.entries(value).some(([key, part]) => hasUnstorableText(key) || hasUnstorableText(part));
}
