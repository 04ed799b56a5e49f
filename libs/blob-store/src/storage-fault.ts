import { QuaysideError } from '@app/core';

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** A fault of the file system as an error of the catalogue, without the path that is in its message. */
export function storageFault(cause: unknown): QuaysideError {
  const { code = 'unknown' } = (cause ?? {}) as { readonly code?: string };
  if (FULL.has(code)) {
    return new QuaysideError('storage_full', `No room is left where blobs are stored (${code}).`, { cause });
  }
  return new QuaysideError('storage_unavailable', `Blobs cannot be read or written now (${code}).`, { cause });
}

/** Whether a file system call failed because there is no such file or folder. */
export function isAbsent(fault: unknown): boolean {
  const { code } = (fault ?? {}) as { readonly code?: string };
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Runs a call of the file system. Throws storage_full and storage_unavailable for whatever it throws. */
export async function storing<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw storageFault(cause);
  }
}

/** As `storing`, where it is no fault that there is no such file: gives undefined then. */
export async function storingIfThere<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (cause) {
    if (isAbsent(cause)) return undefined;
    throw storageFault(cause);
  }
}
