import type { JsonValue } from '@app/core';
import { withoutMark } from './byte-order-mark';
import { rowColumns } from './cell-reading';
import { type InputEncoding, inflated } from './inflate';
import { type InputLimits, limitBytes, limitRows } from './input-limits';
import { type IdField, type InputRow, type RawRow, readRow } from './input-row';
import { splitArray } from './json-array';
import { readCsv } from './read-csv';
import { splitLines } from './split-lines';

/** How rows are written in an input. */
export type InputFormat = 'ndjson' | 'csv' | 'json';

/** A job's input as it arrives. */
export interface JobInput {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly format: InputFormat;
  readonly encoding: InputEncoding;
}

/** What an input is read with. */
export interface InputOptions {
  readonly limits: InputLimits;
  readonly idField?: IdField;
  /** JSON Schema of a row, by which the cells of CSV are read. */
  readonly rowSchema: JsonValue;
}

/**
 * The rows of an input, in order, as many at a time as arrive together: bytes → inflated → split → rows. Takes from the input
 * only what is asked of it, and holds no more than a chunk of it and one row. A row that cannot be read is a row with an error;
 * what keeps the rest from being read is thrown: invalid_encoding, body_too_large (bytes, rows, or a row beyond 1 MiB),
 * invalid_json (no array), invalid_request (no CSV, or columns that do not fit), and what the input throws.
 */
export async function* readInput(
  { bytes, format, encoding }: JobInput,
  { limits, idField, rowSchema }: InputOptions,
): AsyncGenerator<readonly InputRow[]> {
  const sent = limitBytes(bytes, { maxBytes: limits.bytes, what: 'as sent' });
  const plain = limitBytes(inflated(sent, encoding), { maxBytes: limits.inflatedBytes, what: 'once inflated' });
  const options = { columns: rowColumns(rowSchema), ...(idField && { idField }) };
  const rows = {
    ndjson: () => readRows(splitLines(plain), idField),
    json: () => readRows(splitArray(withoutMark(plain)), idField),
    csv: () => readCsv(withoutMark(plain), options),
  }[format]();
  yield* limitRows(rows, limits.rows);
}

async function* readRows(
  batches: AsyncIterable<readonly RawRow[]>,
  idField: IdField | undefined,
): AsyncGenerator<readonly InputRow[]> {
  for await (const batch of batches) yield batch.map((row) => readRow(row, idField));
}
