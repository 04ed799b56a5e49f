import { createHash } from 'node:crypto';
import type { Dir } from 'node:fs';
import { type FileHandle, mkdir, open, opendir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { newId } from '@app/core';
import { type BlobRange, BlobStore, type ListedBlob, type StoredBlob, checkedKey } from './blob-store';
import { FileContent } from './file-content';
import { isAbsent, storing, storingIfThere } from './storage-fault';

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
  constructor(private readonly folder: string) {
    super();
  }

  override async put(key: string, content: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    const path = this.pathOf(key);
    const unnamed = join(this.folder, UNNAMED, newId());
    try {
      const stored = await this.write(unnamed, content);
      await storing(() => this.name(unnamed, path));
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
    const entries = await storingIfThere(() => opendir(folder));
    for await (const { name } of entries ?? []) {
      const path = join(folder, name);
      const file = await storingIfThere(() => stat(path));
      if (file && nowMs - file.mtimeMs > ABANDONED_MS) await storing(() => rm(path, { force: true }));
    }
  }

  private pathOf(key: string): string {
    return join(this.folder, checkedKey(key));
  }

  private async write(path: string, content: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    const file = await storing(async () => {
      await mkdir(dirname(path), { recursive: true });
      return open(path, 'wx', 0o600);
    });
    try {
      const stored = await copyInto(file, content);
      await storing(() => file.sync());
      return stored;
    } finally {
      await file.close();
    }
  }

  /** Gives a written file its name, and makes the name durable. */
  private async name(unnamed: string, path: string, attempt = 1): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    try {
      await rename(unnamed, path);
      await this.flushFolders(dirname(path));
    } catch (fault) {
      if (!isAbsent(fault) || attempt === NAMING_ATTEMPTS) throw fault;
      await this.name(unnamed, path, attempt + 1);
    }
  }

  /** All of them up to the root, since another writer may have made one and not flushed it yet. */
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
    for await (const entry of (await this.entriesOf(folder)) ?? []) {
      const key = folder + entry.name;
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) yield* this.walk(`${key}/`);
      else yield* await this.listed(key);
    }
  }

  private entriesOf(folder: string): Promise<Dir | undefined> {
    return storingIfThere(() => opendir(join(this.folder, folder)));
  }

  private async listed(key: string): Promise<readonly ListedBlob[]> {
    const file = await storingIfThere(() => stat(join(this.folder, key)));
    return file ? [{ key, bytes: file.size, modifiedAtMs: file.mtimeMs }] : [];
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

async function flush(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
