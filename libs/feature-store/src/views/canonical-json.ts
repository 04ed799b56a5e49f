import type { JsonValue } from '@app/core';

/** JSON text with sorted keys and without spaces, so that equal content has equal bytes. */
export function canonicalJson(value: JsonValue): string {
  return JSON.stringify(value, (_key, item: unknown) => (isPlain(item) ? sorted(item) : item));
}

function isPlain(item: unknown): item is Readonly<Record<string, unknown>> {
  return typeof item === 'object' && item !== null && !Array.isArray(item) && !('rawJSON' in item);
}

function sorted(item: Readonly<Record<string, unknown>>): Record<string, unknown> {
  // By code unit, as RFC 8785 sorts.
  return Object.fromEntries(Object.entries(item).sort(([left], [right]) => (left < right ? -1 : 1)));
}
