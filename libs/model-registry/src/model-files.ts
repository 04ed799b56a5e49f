import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { unfit } from './unfit';

const CHUNK_BYTES = 256 * 1024;

/** A file that was opened and found to be its folder's own. Close it. */
export interface OpenFile {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
  readonly writtenAtMs: number;
}

/**
 * Opens `name` in `directory`, or gives undefined when it is not there. Throws model_load_failed for symbolic links,
 * hard links and what is not a file: any of them could bring in bytes from elsewhere, or change them unseen.
 */
export async function openOwnFile(directory: string, name: string): Promise<OpenFile | undefined> {
  const handle = await openUnlinked(directory, name);
  if (!handle) return undefined;
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw unfit(`${name} is not a file`);
    if (stats.nlink > 1) throw unfit(`${name} has hard links; copy the file instead`);
    return { handle, sizeBytes: stats.size, writtenAtMs: Math.round(stats.mtimeMs) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Reads a small UTF-8 file; undefined when it is not there. Refuses one above the limit. */
export async function readOwnText(file: {
  readonly directory: string;
  readonly name: string;
  readonly limitBytes: number;
}) {
  const opened = await openOwnFile(file.directory, file.name);
  if (!opened) return undefined;
  try {
    if (opened.sizeBytes > file.limitBytes) throw unfit(`${file.name} is larger than ${file.limitBytes} bytes`);
    return await opened.handle.readFile('utf8');
  } finally {
    await opened.handle.close();
  }
}

/** SHA-256 in hex of a whole file, in chunks that hold the event loop for about a millisecond each. */
export async function sha256Of({ handle }: OpenFile): Promise<string> {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let at = 0; ;) {
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(chunk.subarray(0, bytesRead));
    at += bytesRead;
  }
}

async function openUnlinked(directory: string, name: string): Promise<FileHandle | undefined> {
  try {
    // O_NONBLOCK: opening a named pipe must not wait for its writer.
    return await open(join(directory, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP') throw unfit(`${name} is a symbolic link; copy the file instead`);
    if (code === 'EACCES' || code === 'EPERM') throw unfit(`${name} may not be read by this user`);
    throw error;
  }
}
