import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { QuaysideError } from '@app/core';
import type { ModelFiles } from '@app/model-registry';

/** One for all files ever read: nothing here waits, and a new one each time would be garbage for long. */
const CHUNK = Buffer.allocUnsafe(1024 * 1024);

/** What tells that a file is still the same, by its path. */
export type FileStamps = ReadonlyMap<string, string>;

/**
 * Reads every file of a version and compares its SHA-256 with the one that was recorded; gives stamps for
 * `assertUnchanged`. It blocks, as all that an executor does for one version. Throws model_load_failed.
 */
export function verifyFiles(files: ModelFiles): FileStamps {
  const stamps = new Map<string, string>();
  for (const { path, sha256 } of files.all) {
    const absolute = join(files.directory, path);
    stamps.set(absolute, stampOf(absolute));
    if (sha256Of(absolute) === sha256.toLowerCase()) continue;
    throw new QuaysideError('model_load_failed', `"${path}" is not the file it was: its SHA-256 differs.`);
  }
  return stamps;
}

/** Throws model_load_failed when a file was changed or replaced since it was verified. */
export function assertUnchanged(stamps: FileStamps): void {
  for (const [path, stamp] of stamps) {
    if (stampOf(path) === stamp) continue;
    throw new QuaysideError('model_load_failed', 'A file of the version changed while it was loaded.');
  }
}

function stampOf(path: string): string {
  return readable(() => {
    const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  });
}

function sha256Of(path: string): string {
  return readable(() => {
    const hash = createHash('sha256');
    const file = openSync(path, 'r');
    try {
      for (let count = readSync(file, CHUNK); count > 0; count = readSync(file, CHUNK)) {
        hash.update(CHUNK.subarray(0, count));
      }
    } finally {
      closeSync(file);
    }
    return hash.digest('hex');
  });
}

function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new QuaysideError('model_load_failed', 'A file of the version is missing or cannot be read.', { cause });
  }
}
