import { type JsonValue, isQuaysideError, parseJsonBody } from '@app/core';
import type { DtoSchema } from './dto-schemas';

const NUMBER = /^-?\d{1,17}(?:\.\d{1,17})?$/;

/** How a text is read, by the type of its field. What cannot be read stays a text, which the validator then refuses. */
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  integer: asNumber,
  number: asNumber,
  boolean: (text) => (text === 'true' || text === 'false' ? text === 'true' : text),
  object: asJson,
};

/** The parameters of a query as values, by the schemas of their fields. */
export function readParameters(
  fields: Readonly<Record<string, DtoSchema>>,
  query: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, readValue(fields, name, value)]));
}

function readValue(fields: Readonly<Record<string, DtoSchema>>, name: string, value: unknown): unknown {
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  // A parameter that stands twice is a list, which no field takes.
  if (field === undefined || typeof value !== 'string') return value;
  const type = field['$ref'] === undefined ? field.type : 'object';
  const read = typeof type === 'string' ? READERS[type] : undefined;
  return read ? read(value) : value;
}

function asNumber(text: string): unknown {
  return NUMBER.test(text) ? Number(text) : text;
}

/** Under the rules of a body. */
function asJson(text: string): JsonValue | string {
  try {
    return parseJsonBody(Buffer.from(text)) as JsonValue;
  } catch (fault) {
    if (!isQuaysideError(fault)) throw fault;
    return text;
  }
}
