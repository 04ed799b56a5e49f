import { QuaysideError } from '@app/core';

const PLACE = /^row:(0|[1-9]\d{0,14})$/;

/** The place before a row, opaque to clients. It is true for every attempt of the job, since a row keeps its index. */
export function encodeCursor(row: number): string {
  return Buffer.from(`row:${row}`).toString('base64url');
}

/** The row that a cursor stands before. Throws invalid_request on `after`. */
export function decodeCursor(cursor: string): number {
  const row = PLACE.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[1];
  if (row !== undefined && encodeCursor(Number(row)) === cursor) return Number(row);
  const message = 'after must be an X-Next-Cursor of this job, unchanged.';
  throw new QuaysideError('invalid_request', message, {
    details: [{ field: 'after', code: 'invalid_cursor', message }],
  });
}
