import type { Readable } from 'node:stream';

/** What was stored under a key. */
export interface StoredBlob {
  readonly bytes: number;
  /** Of the content, in lower-case hex. */
  readonly sha256: string;
}

/** A blob as a list shows it. */
export interface ListedBlob {
  readonly key: string;
  readonly bytes: number;
  /** When its content was written, in milliseconds since 1970, by the clock of the store. */
  readonly modifiedAtMs: number;
}

/** A part of a blob: from byte `start` up to, but without, byte `end`. Beyond the content there is nothing. */
export interface BlobRange {
  readonly start: number;
  /** Absent: the end of the content. */
  readonly end?: number;
}

/**
 * Bytes by key. A key is made by the server, never of a user's text: parts of letters, digits, `.`, `_` and `-`, joined by `/`,
 * none beginning with a dot; no key is another's beginning up to a `/`. What has a name is whole and durable; what has none yet is never seen. A key that is put again is
 * replaced as a whole, and those who are reading the old content go on reading it.
 *
 * Every method throws storage_unavailable where the store cannot be reached or read, and RangeError for what is no key.
 */
export abstract class BlobStore {
  /**
   * Stores the content under the key; resolves once it is durable there. What the content's source throws is thrown on, and
   * then nothing has changed. Chunks may be used again once the next one is asked for. Throws storage_full.
   */
  abstract put(key: string, content: AsyncIterable<Uint8Array>): Promise<StoredBlob>;
  /** The content, or a part of it; undefined where no blob has the key. The stream's faults are storage_unavailable, too. */
  abstract get(key: string, range?: BlobRange): Promise<Readable | undefined>;
  /** Every blob whose key begins with the prefix, in no order. Blobs that come or go meanwhile may be in it or not. */
  abstract list(prefix: string): AsyncIterable<ListedBlob>;
  /** Forgets the blobs; those that are not there are no fault. Who is reading one goes on reading. */
  abstract delete(keys: readonly string[]): Promise<void>;
}

const KEY = /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/)*[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
const MAX_KEY_LENGTH = 512;

/** The key, when it is one. Throws RangeError: a key that is none is a defect of who made it. */
export function checkedKey(key: string): string {
  if (key.length <= MAX_KEY_LENGTH && KEY.test(key)) return key;
  throw new RangeError('A blob key has parts of letters, digits, ".", "_" and "-", joined by "/".');
}
