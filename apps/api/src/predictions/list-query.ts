import { QuaysideError, decodeTimestamp, isQuaysideError } from '@app/core';
import { type InstanceKey, type PredictionQuery, isPredictionId } from '@app/prediction-log';

/** The parameters of the list, as they may stand in the query of a URL. */
export const LIST_PARAMETERS = {
  model: { description: 'Only of this model.', schema: { type: 'string' }, example: 'credit-risk' },
  version: { description: 'Only of this version.', schema: { type: 'string' } },
  from: {
    description: 'Only from this moment on, RFC 3339 with `Z` or an offset.',
    schema: { type: 'string', format: 'date-time' },
  },
  to: {
    description: 'Only before this moment, RFC 3339 with `Z` or an offset.',
    schema: { type: 'string', format: 'date-time' },
  },
  limit: {
    description: 'How many at most. Left out: 50.',
    schema: { type: 'integer', minimum: 1, maximum: 500 },
  },
  cursor: { description: '`next_cursor` of the page before.', schema: { type: 'string' } },
} as const;

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;
const LONGEST_KEY = 1000;
const CURSOR = /^([0-9a-f-]{36})\.(\d{1,9})$/;

/** A query of the list. Throws invalid_request, naming the parameter. */
export function readListQuery(query: Readonly<Record<string, unknown>>): PredictionQuery {
  refuseStrangers(query, Object.keys(LIST_PARAMETERS));
  const { model, version, from, to, limit, cursor } = query;
  return {
    ...(model !== undefined && { model: textOf('model', model) }),
    ...(version !== undefined && { version: textOf('version', version) }),
    ...(from !== undefined && { fromMs: momentOf('from', from) }),
    ...(to !== undefined && { toMs: momentOf('to', to) }),
    ...(cursor !== undefined && { after: keyOf(cursor) }),
    limit: limit === undefined ? DEFAULT_LIMIT : limitOf(limit),
  };
}

/** A query that names an entity. Throws invalid_request, naming the parameter. */
export function readEntityQuery(query: Readonly<Record<string, unknown>>): {
  readonly view: string;
  readonly key: string;
} {
  refuseStrangers(query, ['view', 'key']);
  const [view, key] = [textOf('view', query['view']), textOf('key', query['key'], LONGEST_KEY)];
  return { view, key };
}

function refuseStrangers(query: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  const stranger = Object.keys(query).find((name) => !known.includes(name));
  if (stranger !== undefined) throw wrong(stranger, 'unknown_field', 'is not a parameter here');
}

/** Where a page ended, for `cursor`. */
export function toCursor({ id, index }: InstanceKey): string {
  return `${id}.${index}`;
}

function keyOf(cursor: unknown): InstanceKey {
  const [, id = '', index] = CURSOR.exec(String(cursor)) ?? [];
  if (!isPredictionId(id)) throw wrong('cursor', 'invalid_cursor', 'must be the next_cursor of a page');
  return { id, index: Number(index) };
}

function limitOf(value: unknown): number {
  const limit = typeof value === 'string' && /^\d{1,4}$/.test(value) ? Number(value) : 0;
  if (limit < 1 || limit > MAX_LIMIT)
    throw wrong('limit', 'out_of_range', `must be a whole number from 1 to ${MAX_LIMIT}`);
  return limit;
}

function textOf(name: string, value: unknown, longest = 200): string {
  if (typeof value !== 'string' || value === '' || value.length > longest || value.includes('\0')) {
    throw wrong(name, 'wrong_type', `must be one text of 1 to ${longest} characters`);
  }
  return value;
}

/** A list in UTC days of milliseconds: what is finer counts for the whole millisecond. */
function momentOf(name: string, value: unknown): number {
  try {
    return Number(decodeTimestamp(value, name) / 1000n);
  } catch (fault) {
    if (!isQuaysideError(fault)) throw fault;
    throw wrong(name, fault.details[0]?.code ?? 'invalid_timestamp', 'must be a time such as 2026-11-24T10:00:00Z');
  }
}

function wrong(name: string, code: string, says: string): QuaysideError {
  const message = `Parameter "${name.slice(0, 80)}" ${says}.`;
  return new QuaysideError('invalid_request', message, { details: [{ field: name.slice(0, 80), code, message }] });
}
