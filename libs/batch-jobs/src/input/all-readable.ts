import { type ErrorDetail, QuaysideError } from '@app/core';
import type { InputRow } from './input-row';

/** Details beyond this many are not collected: the first ones are what a caller fixes. */
const MAX_FAULTS = 10;

/**
 * The rows, where every one can be read. Throws invalid_input otherwise, once it knows up to ten of those that cannot, by their
 * lines; no more rows are given from the first of them on.
 */
export async function* allReadable(
  rows: AsyncIterable<readonly InputRow[]> | Iterable<readonly InputRow[]>,
): AsyncGenerator<readonly InputRow[]> {
  const faults: ErrorDetail[] = [];
  for await (const batch of rows) {
    faults.push(...batch.flatMap(faultOf));
    if (faults.length >= MAX_FAULTS) break;
    if (faults.length === 0) yield batch;
  }
  if (faults.length === 0) return;
  const message = 'Some rows cannot be read, and on_invalid is "reject". Nothing runs; correct them and submit again.';
  throw new QuaysideError('invalid_input', message, { details: faults.slice(0, MAX_FAULTS) });
}

function faultOf(row: InputRow): readonly ErrorDetail[] {
  if (!('error' in row)) return [];
  const { code, message } = row.error;
  return [{ field: `line ${row.line}`, code, message: `Line ${row.line}: ${message}` }];
}
