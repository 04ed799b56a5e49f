import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { type FileHandle, mkdir, open, opendir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { newId } from '@app/core';
import { type BlobRange, BlobStore, type ListedBlob, type StoredBlob, checkedKey } from './blob-store';
import { FileContent } from './file-content';
import { isAbsent, storageFault, storing, storingIfThere } from './storage-fault';

/** Where content is written before it has a name; no key begins with a dot. */
const UNNAMED = '.unnamed';
/** What nobody has written to for so long was left by a process that died. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;
/** A folder may be tidied away between its making and its use. */
const NAMING_ATTEMPTS = 5;

/**
 * Blobs as the files of a folder, which several processes, and machines that share a file system, may use at once. Content is
 * written without a name and flushed, then gets its name, then the folders that lead to it are flushed: after a power cut a key
 * has all of its content or none. Empty folders go away with their last blob.
 */
export class FolderBlobStore extends BlobStore {
  private readonly folder: string;

  constructor(folder: string) {
    super();
    this.folder = resolve(folder);
  }

  override async put(key: string, content: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    const path = this.pathOf(key);
    const unnamed = join(this.folder, UNNAMED, newId());
    try {
      const stored = await this.write(unnamed, content);
      await storing(() => name(unnamed, path));
      // Only who deleted this very key can have tidied its folder away.
      await storingIfThere(() => this.flushFolders(dirname(path)));
      return stored;
    } catch (fault) {
      await rm(unnamed, { force: true }).catch(() => undefined);
      throw fault;
    }
  }

  override async get(key: string, range?: BlobRange): Promise<Readable | undefined> {
    const path = this.pathOf(key);
    const file = await storingIfThere(() => open(path));
    return file && new FileContent(file, range);
  }

  override async *list(prefix: string): AsyncGenerator<ListedBlob> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    if (folder !== '') checkedKey(folder.slice(0, -1));
    for await (const blob of this.walk(folder)) if (blob.key.startsWith(prefix)) yield blob;
  }

  override async delete(keys: readonly string[]): Promise<void> {
    const paths = keys.map((key) => this.pathOf(key));
    for (const path of paths) await storingIfThere(() => unlink(path));
    for (const folder of new Set(paths.map(dirname))) await this.tidy(folder);
  }

  /** Removes what writers left that died; call it when the process starts. Throws storage_unavailable. */
  async removeAbandoned(nowMs: number): Promise<void> {
    const folder = join(this.folder, UNNAMED);
    for await (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name);
      const file = await storingIfThere(() => stat(path));
      if (file && nowMs - file.mtimeMs > ABANDONED_MS) await storing(() => rm(path, { force: true }));
    }
  }

  private pathOf(key: string): string {
    return join(this.folder, checkedKey(key));
  }

  private async write(path: string, content: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    const file = await storing(async () => {
      await makeFolder(dirname(path));
      return open(path, 'wx', 0o600);
    });
    try {
      const stored = await copyInto(file, content);
      await storing(() => file.sync());
      return stored;
    } finally {
      await storing(() => file.close());
    }
  }

  /** Makes the names in them durable: in all of them up to the root, since another writer may have made one and not flushed it yet. */
  private async flushFolders(folder: string): Promise<void> {
    for (let at = folder; at.length >= this.folder.length; at = dirname(at)) await flush(at);
  }

  /** Removes folders that hold nothing any more, from the inside out. */
  private async tidy(folder: string): Promise<void> {
    for (let at = folder; at.length > this.folder.length; at = dirname(at)) {
      try {
        await rmdir(at);
      } catch {
        // Not empty, or gone already.
        return;
      }
    }
  }

  private async *walk(folder: string): AsyncGenerator<ListedBlob> {
    for await (const entry of entriesOf(join(this.folder, folder))) {
      const key = folder + entry.name;
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) yield* this.walk(`${key}/`);
      else yield* await this.listed(key);
    }
  }

  private async listed(key: string): Promise<readonly ListedBlob[]> {
    const file = await storingIfThere(() => stat(join(this.folder, key)));
    return file ? [{ key, bytes: file.size, modifiedAtMs: file.mtimeMs }] : [];
  }
}

/** What is in a folder; nothing where there is none. */
async function* entriesOf(folder: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(folder);
  } catch (fault) {
    if (!isAbsent(fault)) throw storageFault(fault);
  }
}

/** Gives a written file its name, in a folder that others may tidy away meanwhile. */
async function name(unnamed: string, path: string, attempt = 1): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await rename(unnamed, path);
  } catch (fault) {
    if (!isAbsent(fault) || attempt === NAMING_ATTEMPTS) throw fault;
    await name(unnamed, path, attempt + 1);
  }
}

async function copyInto(file: FileHandle, content: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of content) {
    hash.update(chunk);
    bytes += chunk.byteLength;
    await storing(() => file.writeFile(chunk));
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Makes a folder, and durable whatever had to be made for it. */
async function makeFolder(folder: string): Promise<void> {
  const outermost = await mkdir(folder, { recursive: true });
  if (outermost === undefined) return;
  for (let at = dirname(folder); at.length >= dirname(outermost).length; at = dirname(at)) {
    await flush(at);
    if (at === dirname(at)) return;
  }
}

async function flush(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
