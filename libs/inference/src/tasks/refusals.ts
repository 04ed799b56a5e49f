import { QuaysideError } from '@app/core';
import type { ErrorCode } from '@app/core';

/** What is wrong with one field of a request. */
export interface Refusal {
  /** Path in the request, such as `rows[2].amount` or `inputs.x`. */
  readonly field: string;
  /** What is wrong, in lower_snake. */
  readonly code: string;
  readonly message: string;
}

/** Most rows of one call. */
export const MAX_ROWS = 2048;

/** The refusal of a value or a field that the model does not take. */
export function invalidInput(refusal: Refusal): QuaysideError {
  return refuse('invalid_input', refusal);
}

/** Throws invalid_request for a call without rows, or with more than `most`; `field` is where they stand. */
export function checkRowCount(rows: number, field: string, most = MAX_ROWS): void {
  if (rows >= 1 && rows <= most) return;
  const message = `The call has ${rows} rows; the model takes ${most === 1 ? 'exactly 1' : `1 to ${most}`} in a call.`;
  throw refuse('invalid_request', { field, code: rows < 1 ? 'too_few_rows' : 'too_many_rows', message });
}

/** Throws invalid_input for the first field that is not among `known`, naming some of those that are. */
export function checkFields(fields: Iterable<string>, known: readonly string[], path: string): void {
  for (const field of fields) {
    if (known.includes(field)) continue;
    const shown = field.slice(0, 40);
    const message = `The model has no field "${shown}". It takes ${someOf(known)}.`;
    throw invalidInput({ field: `${path}.${shown}`, code: 'unknown_field', message });
  }
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

function refuse(code: ErrorCode, refusal: Refusal): QuaysideError {
  return new QuaysideError(code, refusal.message, { details: [refusal] });
}
