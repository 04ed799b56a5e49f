import type { ErrorDetail, QuaysideError } from '@app/core';

/** Why a row has no output, as result lines and chunk files have it. */
export interface RowError {
  readonly code: string;
  readonly message: string;
  /** The first field of the details; null where there are none. */
  readonly param: string | null;
  readonly details: readonly ErrorDetail[];
}

/** An error of the catalogue as that of a row. */
export function rowErrorOf({ code, message, details }: QuaysideError): RowError {
  return { code, message, param: details[0]?.field ?? null, details };
}
