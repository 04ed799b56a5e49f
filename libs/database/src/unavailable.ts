import { QuaysideError } from '@app/core';
import { DatabaseError } from 'pg';

const RETRY_AFTER_MS = 1000;

/**
 * Classes of SQLSTATE that tell of the server and not of the statement: the connection failed (08), no resources are left
 * (53), an operator or a timeout intervened (57), the system failed (58).
 */
const SERVER_CLASSES = /^(08|53|57|58)/;

/** The error of whatever needs PostgreSQL while it cannot be had. `cause` is for the log. */
export function unavailable(cause?: unknown): QuaysideError {
  return new QuaysideError('database_unavailable', 'The database cannot be reached. Try again in a moment.', {
    retryAfterMs: RETRY_AFTER_MS,
    ...(cause !== undefined && { cause }),
  });
}

/** Whether PostgreSQL said that it, and not the statement, is the matter. */
export function isServerFault(fault: unknown): boolean {
  return fault instanceof DatabaseError && SERVER_CLASSES.test(fault.code ?? '');
}

/** Why PostgreSQL cannot be had, in a few words without a secret. */
export function reasonOf(fault: unknown): string {
  const { code, message } = (fault ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  return typeof code === 'string' ? `${code}: ${String(message)}` : String(message ?? fault);
}
