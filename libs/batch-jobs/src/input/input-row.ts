import { type JsonRecord, QuaysideError, isQuaysideError, parseJsonBody } from '@app/core';
import { type RowError, rowErrorOf } from '../results/row-error';
import { type JsonMember, membersOf, objectOfMembers } from './json-members';

/** Where a row's id stands. */
export interface IdField {
  readonly name: string;
  /** Whether the model takes the field too; else it is left out of the row. */
  readonly staysInRow: boolean;
}

/** A row of an input, or what keeps it from being one. */
export type InputRow = {
  /** Where it begins in the input, from 1 on. */
  readonly line: number;
  /** Absent: the input does not say, and the row is named by its place. */
  readonly id?: string;
} & ({ readonly json: Uint8Array } | { readonly error: RowError });

/** A row's bytes as they stand in the input, without what surrounds them. */
export interface RawRow {
  readonly line: number;
  readonly bytes: Buffer;
}

/** A line, an element of an array or a CSV record may have so many bytes. */
export const MAX_ROW_BYTES = 1024 * 1024;

const MAX_ID_LENGTH = 256;
const LINE_FEED = 0x0a;
const SPACE = 0x20;

/**
 * The row in some bytes of JSON. `json` holds an object, written as the client wrote it and therefore with every digit, on
 * one line. What is no row becomes one with an error: those of `parseJsonBody`, and invalid_input for what is no object or has
 * an id that is neither a text of up to 256 characters nor a number.
 */
export function readRow({ line, bytes }: RawRow, idField?: IdField): InputRow {
  try {
    assertObject(parseJsonBody(bytes));
    const json = onOneLine(bytes);
    return { line, ...(idField ? withId(json, idField) : { json }) };
  } catch (fault) {
    return { line, error: errorOf(fault) };
  }
}

/** The error of a row that could not be read. What is not of the catalogue is thrown on. */
export function errorOf(fault: unknown): RowError {
  if (!isQuaysideError(fault)) throw fault;
  const error = rowErrorOf(fault);
  // The parser speaks of the body that it is mostly given.
  return { ...error, message: error.message.replace(/^The body/, 'The row') };
}

/** The id of a row, checked. Throws invalid_input. */
export function checkedId(id: string, field: string): string {
  if (id.length <= MAX_ID_LENGTH) return id;
  throw badId(field);
}

function assertObject(value: unknown): asserts value is JsonRecord {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw new QuaysideError('invalid_input', 'The row is not a JSON object. Send {"field": value, …}.');
}

/** In valid JSON a line feed only separates tokens. */
function onOneLine(bytes: Buffer): Buffer {
  if (!bytes.includes(LINE_FEED)) return bytes;
  const line = Buffer.from(bytes);
  for (let at = line.indexOf(LINE_FEED); at >= 0; at = line.indexOf(LINE_FEED, at)) line[at] = SPACE;
  return line;
}

function withId(json: Buffer, { name, staysInRow }: IdField): { readonly id?: string; readonly json: Buffer } {
  const text = json.toString('utf8');
  const members = membersOf(text);
  // Of keys that stand twice the last one counts.
  const member = members.findLast(({ key }) => key === name);
  if (!member) return { json };
  const id = idOf(member, name);
  const others = staysInRow ? json : Buffer.from(objectOfMembers(members.filter(({ key }) => key !== name)));
  return { ...(id !== undefined && { id }), json: others };
}

/** A number keeps the digits that it was written with. */
function idOf({ value }: JsonMember, field: string): string | undefined {
  if (value === 'null') return undefined;
  if (value.startsWith('"')) return checkedId(JSON.parse(value) as string, field);
  if (/^[-\d]/.test(value)) return checkedId(value, field);
  throw badId(field);
}

function badId(field: string): QuaysideError {
  const message = `The id must be a text of at most ${MAX_ID_LENGTH} characters or a number.`;
  return new QuaysideError('invalid_input', message, { details: [{ field, code: 'invalid_id', message }] });
}
