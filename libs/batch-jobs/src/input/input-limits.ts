import { QuaysideError } from '@app/core';
import type { InputRow } from './input-row';

/** How much one job may be given. */
export interface InputLimits {
  readonly rows: number;
  /** As sent. */
  readonly bytes: number;
  /** After inflating; the same or more. */
  readonly inflatedBytes: number;
}

/** What a row is refused for that is too long to be kept in memory. */
export function rowTooLarge(line: number, maxBytes: number): QuaysideError {
  const message = `The row that begins in line ${line} has more than ${maxBytes} bytes.`;
  return new QuaysideError('body_too_large', message);
}

/** The input up to a number of bytes. Throws body_too_large beyond. */
export async function* limitBytes(
  input: AsyncIterable<Uint8Array>,
  { maxBytes, what }: { readonly maxBytes: number; readonly what: string },
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of input) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new QuaysideError('body_too_large', `The input has more than ${maxBytes} bytes ${what}.`);
    yield chunk;
  }
}

/** The rows up to a number of them. Throws body_too_large beyond. */
export async function* limitRows(
  rows: AsyncIterable<readonly InputRow[]>,
  maxRows: number,
): AsyncGenerator<readonly InputRow[]> {
  let count = 0;
  for await (const batch of rows) {
    count += batch.length;
    if (count > maxRows) throw new QuaysideError('body_too_large', `A job takes ${maxRows} rows; the input has more.`);
    yield batch;
  }
}
