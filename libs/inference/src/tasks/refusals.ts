import { type ErrorCode, type ErrorDetail, type JsonRecord, QuaysideError } from '@app/core';

/** Most rows of one call. */
export const MAX_ROWS = 2048;

/** Names that a client made up are shown no longer than this. */
const MAX_NAME_SHOWN = 40;

/** Details beyond this many are left out: the first ones are what a caller fixes. */
const MAX_DETAILS = 10;

/** The refusal of a value or a field that the model does not take. */
export function invalidInput(detail: ErrorDetail): QuaysideError {
  return refuse('invalid_input', detail);
}

/** Throws invalid_request for a call without rows, or with more than `most`; `field` is where they stand. */
export function checkRowCount(rows: number, field: string, most = MAX_ROWS): void {
  if (rows >= 1 && rows <= most) return;
  const message = `The call has ${rows} rows; the model takes ${most === 1 ? 'exactly 1' : `1 to ${most}`} in a call.`;
  throw refuse('invalid_request', { field, code: rows < 1 ? 'too_few_rows' : 'too_many_rows', message });
}

/** What a row, or the inputs of the tensors form, may and must have. */
export interface FieldRules {
  readonly takes: readonly string[];
  /** Those of them that may be absent. Default: none. */
  readonly optional?: readonly string[];
  /** Where the record stands, such as `rows[2]`. */
  readonly path: string;
}

/** Throws invalid_input with the first 10 fields that the model does not take, or that are missing. */
export function checkFields(record: JsonRecord, { takes, optional = [], path }: FieldRules): void {
  const names = Object.keys(record);
  if (names.length === takes.length && names.every((name) => takes.includes(name))) return;
  const unknown = names.filter((name) => !takes.includes(name));
  const missing = takes.filter((name) => !Object.hasOwn(record, name) && !optional.includes(name));
  if (unknown.length === 0 && missing.length === 0) return;
  const details = [
    ...unknown.map((name) => unknownField(name.slice(0, MAX_NAME_SHOWN), takes, path)),
    ...missing.map((name) => missingField(`${path}.${name}`)),
  ];
  throw refuse('invalid_input', ...details);
}

function unknownField(name: string, takes: readonly string[], path: string): ErrorDetail {
  const message = `The model has no field "${name}". It takes ${someOf(takes)}.`;
  return { field: `${path}.${name}`, code: 'unknown_field', message };
}

function missingField(field: string): ErrorDetail {
  return { field, code: 'missing_input', message: `${field} is missing; send a value.` };
}

/** Throws invalid_input for an output that is not among `known`, or is asked for twice. */
export function checkOutputs(wanted: readonly string[], known: readonly string[]): void {
  wanted.forEach((name, index) => {
    const field = `outputs[${index}]`;
    if (typeof name !== 'string' || !known.includes(name)) {
      const message = `The model has no such output. It gives ${someOf(known)}.`;
      throw invalidInput({ field, code: 'unknown_output', message });
    }
    if (wanted.indexOf(name) !== index) {
      throw invalidInput({ field, code: 'duplicate_output', message: `The output "${name}" is asked for twice.` });
    }
  });
}

/** A few names for a message, and how many more there are. */
function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => `"${name}"`);
  return names.length > 5 ? `${shown.join(', ')} and ${names.length - 5} more` : shown.join(', ');
}

function refuse(code: ErrorCode, ...details: readonly ErrorDetail[]): QuaysideError {
  const others = details.length > 1 ? ` (and ${details.length - 1} more)` : '';
  return new QuaysideError(code, `${details[0].message}${others}`, { details: details.slice(0, MAX_DETAILS) });
}
