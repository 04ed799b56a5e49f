import { type ErrorDetail, type JsonRecord, QuaysideError, decodeKeyText, isQuaysideError, ownValue } from '@app/core';
import type { FeatureView } from './feature-view';

/** The longest entity key, in bytes of UTF-8. */
export const ENTITY_KEY_LIMIT_BYTES = 512;

type Keyed = Pick<FeatureView, 'entities'>;

/**
 * The key under which an entity's row is stored: a JSON array of the join keys' canonical texts, sorted by their names.
 * `values` are a client's, by join key; `field` is their path. Throws invalid_input with details: missing_input,
 * unknown_entity, entity_key_too_long, and those of a value that does not fit its dtype.
 */
export function entityKeyOf(view: Keyed, values: JsonRecord, field = 'entities'): string {
  const faults = strangers(view, values, field);
  const texts = view.entities.map(({ name, dtype }) => {
    try {
      return decodeKeyText({ dtype, field: `${field}.${name}` }, ownValue(values, name));
    } catch (error) {
      if (!isQuaysideError(error)) throw error;
      faults.push(...error.details);
      return '';
    }
  });
  const key = JSON.stringify(texts);
  if (Buffer.byteLength(key) > ENTITY_KEY_LIMIT_BYTES) faults.push(tooLong(field));
  if (faults.length === 0) return key;
  throw new QuaysideError('invalid_input', faults[0]?.message ?? '', { details: faults });
}

/**
 * The key that a text names: the value itself where a view has one join key, else a JSON array of the values in the
 * order of the join keys' names. Throws invalid_input as `entityKeyOf`.
 */
export function parseEntityKey(view: Keyed, text: string, field = 'key'): string {
  const values = view.entities.length === 1 && !text.startsWith('[') ? [text] : parseList(text, field);
  const named = view.entities.map(({ name }, index) => [name, values[index]] as const);
  if (values.length === named.length) return entityKeyOf(view, Object.fromEntries(named), field);
  throw keyFault(field, 'shape_mismatch', `must name ${named.map(([name]) => name).join(', ')}`);
}

function parseList(text: string, field: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(text);
    if (Array.isArray(parsed)) return parsed;
  } catch {
    // Said below.
  }
  throw keyFault(field, 'invalid_entity_key', 'must be a JSON array with a value for each join key');
}

function strangers({ entities }: Keyed, values: JsonRecord, field: string): ErrorDetail[] {
  const known = entities.map(({ name }) => name);
  return Object.keys(values)
    .filter((name) => !known.includes(name))
    .map(() => detail(field, 'unknown_entity', `names something else than the join keys ${known.join(', ')}`));
}

function tooLong(field: string): ErrorDetail {
  return detail(field, 'entity_key_too_long', `is longer than ${ENTITY_KEY_LIMIT_BYTES} bytes as a key`);
}

function keyFault(field: string, code: string, says: string): QuaysideError {
  const fault = detail(field, code, says);
  return new QuaysideError('invalid_input', fault.message, { details: [fault] });
}

function detail(field: string, code: string, says: string): ErrorDetail {
  return { field, code, message: `${field} ${says}.` };
}
