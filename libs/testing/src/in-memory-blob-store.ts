import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { type Clock, QuaysideError, SystemClock } from '@app/core';
import { type BlobRange, BlobStore, type ListedBlob, type StoredBlob, checkedKey } from '@app/blob-store';

interface Kept {
  readonly content: Buffer;
  readonly modifiedAtMs: number;
}

/** What a store can be told to answer. */
type StorageFault = 'storage_full' | 'storage_unavailable';

/** Blobs in memory, under the rules of the real store. `fail` makes every call fail until `recover`. */
export class InMemoryBlobStore extends BlobStore {
  private readonly blobs = new Map<string, Kept>();
  private fault: StorageFault | undefined;

  constructor(private readonly clock: Clock = new SystemClock()) {
    super();
  }

  /** From now on, storage_unavailable for every call, or storage_full for what writes. */
  fail(code: StorageFault): void {
    this.fault = code;
  }

  recover(): void {
    this.fault = undefined;
  }

  override async put(key: string, content: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    checkedKey(key);
    const chunks: Buffer[] = [];
    for await (const chunk of content) {
      if (this.fault) throw failure(this.fault);
      chunks.push(Buffer.from(chunk));
    }
    if (this.fault) throw failure(this.fault);
    const whole = Buffer.concat(chunks);
    this.blobs.set(key, { content: whole, modifiedAtMs: this.clock.epochMs() });
    return { bytes: whole.length, sha256: createHash('sha256').update(whole).digest('hex') };
  }

  override async get(key: string, { start, end }: BlobRange = { start: 0 }): Promise<Readable | undefined> {
    const kept = await this.reading(() => this.blobs.get(checkedKey(key)));
    return kept && Readable.from([kept.content.subarray(start, end)], { objectMode: false });
  }

  override async *list(prefix: string): AsyncGenerator<ListedBlob> {
    const all = await this.reading(() => [...this.blobs]);
    for (const [key, { content, modifiedAtMs }] of all) {
      if (key.startsWith(prefix)) yield { key, bytes: content.length, modifiedAtMs };
    }
  }

  override delete(keys: readonly string[]): Promise<void> {
    return this.reading(() => {
      for (const key of keys.map(checkedKey)) this.blobs.delete(key);
    });
  }

  /** A full disk can still be read, and emptied. */
  private async reading<T>(read: () => T): Promise<T> {
    if (this.fault === 'storage_unavailable') throw failure(this.fault);
    return Promise.resolve(read());
  }
}

function failure(code: StorageFault): QuaysideError {
  return new QuaysideError(code, 'The test says so.');
}
