import { type JsonValue, type StoredDtype, isInteger } from '@app/core';
import type { BoundRow, FieldReading, RequestField } from '@app/feature-store';
import { type Schema, document, elementExample, elementOf, objectOf } from './json-schema';
import type { InputColumn } from './tabular-columns';

/** What a row has for a model that the feature store joins other columns to. */
export function boundRowSchema({ fields, alternatives }: BoundRow, columns: readonly InputColumn[]): Schema {
  const properties = Object.fromEntries(fields.map((field) => [field.name, schemaOf(field, columns)]));
  const optional = fields.filter((field) => field.optional).map(({ name }) => name);
  const either = alternatives.map(({ either: some, or: others }) => ({
    anyOf: [{ required: some }, { required: others }],
  }));
  const shown = fields.filter(
    ({ name, ...field }) => !field.optional || alternatives.some((all) => all.either.includes(name)),
  );
  const example = Object.fromEntries(shown.map((field) => [field.name, exampleOf(field.reads, columns)]));
  return document({ ...objectOf(properties, optional), ...(either.length > 0 && { allOf: either }) }, example);
}

function schemaOf({ reads, description, default: whenAbsent }: RequestField, columns: readonly InputColumn[]): Schema {
  const element = elementSchema(reads, columns);
  return { description, ...element, ...(whenAbsent !== undefined && { default: whenAbsent }) };
}

function elementSchema(reads: FieldReading, columns: readonly InputColumn[]): Schema {
  if (reads.as === 'category') return { type: ['string', 'integer', 'boolean'] };
  if (reads.as === 'key') return keySchema(reads.dtype);
  if (reads.as === 'column') {
    const { input, column } = columnNamed(reads.column, columns);
    return elementOf(input.dtype, column.options);
  }
  const schema = storedSchema(reads.dtype);
  return reads.nullable ? { anyOf: [schema, { type: 'null' }] } : schema;
}

function storedSchema(dtype: StoredDtype): Schema {
  if (dtype === 'TIMESTAMP') return { type: 'string', format: 'date-time' };
  return elementOf(dtype === 'STRING' ? 'BYTES' : dtype);
}

/** An integer key may be text of digits, whatever its width. */
function keySchema(dtype: StoredDtype): Schema {
  if (dtype === 'BOOL') return { enum: [true, false, 'true', 'false'] };
  const isWhole = dtype !== 'STRING' && dtype !== 'TIMESTAMP' && isInteger(dtype);
  return isWhole ? elementOf(dtype.startsWith('U') ? 'UINT64' : 'INT64') : storedSchema(dtype);
}

function exampleOf(reads: FieldReading, columns: readonly InputColumn[]): JsonValue {
  if (reads.as === 'category') return 'text';
  if (reads.as === 'column') return elementExample(columnNamed(reads.column, columns).input.dtype);
  if (reads.dtype === 'TIMESTAMP') return '2026-01-01T00:00:00Z';
  return elementExample(reads.dtype === 'STRING' ? 'BYTES' : reads.dtype);
}

function columnNamed(name: string, columns: readonly InputColumn[]): InputColumn {
  const found = columns.find(({ column }) => column.name === name);
  if (!found) throw new Error(`the model has no column "${name}"`);
  return found;
}
