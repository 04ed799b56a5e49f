import { type JsonRecord, type JsonValue, parseJsonBody } from '@app/core';

type Schemas = Readonly<Record<string, JsonValue>>;

/** As what a column's cells are read: which JSON values the model takes there. */
export interface CellReading {
  /** Any text; then a cell is never anything else. */
  readonly texts: boolean;
  readonly numbers: boolean;
  /** Integers beyond 2^53 - 1, as strings of digits. */
  readonly wideIntegers: boolean;
  /** NaN and the infinities, as strings. */
  readonly nonFinite: boolean;
  readonly booleans: boolean;
  /** Lists and objects, as JSON in the cell. */
  readonly nested: boolean;
}

/** What a model takes of a row: its columns, and whether it takes any others. */
export interface RowColumns {
  readonly readings: ReadonlyMap<string, CellReading>;
  readonly required: readonly string[];
  readonly isOpen: boolean;
}

const TEXT: CellReading = {
  texts: true,
  numbers: false,
  wideIntegers: false,
  nonFinite: false,
  booleans: false,
  nested: false,
};

/** The columns of a row by its JSON Schema, as `InferenceService.schema` gives it. */
export function rowColumns(schema: JsonValue): RowColumns {
  const { properties, required = [], additionalProperties } = record(schema);
  const readings = Object.entries(record(properties) as Schemas).map(
    ([name, part]) => [name, readingOf(part)] as const,
  );
  return {
    readings: new Map(readings),
    required: required as readonly string[],
    isOpen: additionalProperties !== false,
  };
}

/** The JSON of a cell. What does not look like what is taken stays a text, which the model refuses by name. */
export function cellJson(cell: string, reading: CellReading = TEXT): string {
  return (reading.texts ? undefined : valueJson(cell.trim(), reading)) ?? JSON.stringify(cell);
}

function valueJson(text: string, reading: CellReading): string | undefined {
  return (
    (reading.numbers ? numberJson(text, reading) : undefined) ??
    (reading.booleans ? booleanJson(text) : undefined) ??
    (reading.nested ? nestedJson(text) : undefined)
  );
}

const NUMBER = /^([+-]?)(\d*)(?:\.(\d*))?(e[+-]?\d+)?$/i;
const NON_FINITE = /^([+-]?)(nan|inf|infinity)$/i;

/** A number with the digits of the cell, in the grammar of JSON: no plus, no leading zeros, digits around the point. */
function numberJson(text: string, { wideIntegers, nonFinite }: CellReading): string | undefined {
  const [, sign, whole, fraction, exponent] = NUMBER.exec(text) ?? [];
  if (!whole && !fraction) return nonFinite ? nonFiniteJson(text) : undefined;
  const digits = `${sign === '-' ? '-' : ''}${whole?.replace(/^0+(?=\d)/, '') || '0'}`;
  if (fraction || exponent) return `${digits}${fraction ? `.${fraction}` : ''}${exponent ?? ''}`;
  return wideIntegers && !Number.isSafeInteger(Number(digits)) ? `"${digits}"` : digits;
}

function nonFiniteJson(text: string): string | undefined {
  const [, sign, word] = NON_FINITE.exec(text) ?? [];
  if (word === undefined) return undefined;
  if (word.toLowerCase() === 'nan') return '"NaN"';
  return sign === '-' ? '"-Infinity"' : '"Infinity"';
}

function booleanJson(text: string): string | undefined {
  if (/^(true|1)$/i.test(text)) return 'true';
  return /^(false|0)$/i.test(text) ? 'false' : undefined;
}

function nestedJson(text: string): string | undefined {
  if (!/^[[{]/.test(text)) return undefined;
  try {
    parseJsonBody(Buffer.from(text));
  } catch {
    return undefined;
  }
  // In valid JSON a line feed only separates tokens.
  return text.replaceAll('\n', ' ');
}

function readingOf(schema: JsonValue | undefined): CellReading {
  const parts = partsOf(schema);
  const types = parts.flatMap(({ type }) => (Array.isArray(type) ? type : [type]) as readonly unknown[]);
  const values = parts.flatMap((part) => (part['enum'] ?? []) as readonly unknown[]);
  const has = (...names: readonly string[]): boolean => names.some((name) => types.includes(name));
  const digits = parts.some((part) => part['type'] === 'string' && 'pattern' in part);
  return {
    texts: has('string') && !digits,
    numbers: has('number', 'integer') || values.some((value) => typeof value === 'number'),
    wideIntegers: digits,
    nonFinite: values.includes('NaN'),
    booleans: has('boolean') || values.includes(true),
    nested: has('array', 'object'),
  };
}

/** A schema, or each of its alternatives. */
function partsOf(schema: JsonValue | undefined): readonly JsonRecord[] {
  const { anyOf, ...part } = record(schema);
  return [part, ...((anyOf ?? []) as readonly JsonValue[]).flatMap(partsOf)];
}

function record(value: unknown): JsonRecord {
  return (value ?? {}) as JsonRecord;
}
