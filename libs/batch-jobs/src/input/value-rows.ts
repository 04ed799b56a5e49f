import { QuaysideError, type RawJson } from '@app/core';
import { type IdField, type InputRow, MAX_ROW_BYTES, readRow } from './input-row';

const BATCH = 500;

// TypeScript's library does not know it yet: https://github.com/tc39/proposal-json-parse-with-source
const { rawJSON } = JSON as unknown as { rawJSON(text: string): RawJson };

/**
 * Rows that came inside a JSON body and were parsed with it, in batches. They are written again as the same numbers: what
 * `JSON.stringify` alone would change is -0, and numbers beyond the doubles, which were read as infinities. Throws
 * body_too_large for a row beyond 1 MiB.
 */
export function* valueRows(values: readonly unknown[], idField?: IdField): Generator<readonly InputRow[]> {
  for (let start = 0; start < values.length; start += BATCH) {
    const batch = values.slice(start, start + BATCH);
    yield batch.map((value, at) => readRow({ line: 1, bytes: written(value, start + at) }, idField));
  }
}

function written(value: unknown, index: number): Buffer {
  const bytes = Buffer.from(JSON.stringify(value, exactly));
  if (bytes.length <= MAX_ROW_BYTES) return bytes;
  throw new QuaysideError('body_too_large', `rows[${index}] has more than ${MAX_ROW_BYTES} bytes.`);
}

function exactly(_key: string, value: unknown): unknown {
  if (value === 0) return Object.is(value, -0) ? rawJSON('-0') : value;
  if (value === Infinity) return rawJSON('1e999');
  return value === -Infinity ? rawJSON('-1e999') : value;
}
