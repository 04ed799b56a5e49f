import type { BlobStore } from '@app/blob-store';
import { inputKey } from '../records/chunk-keys';
import type { NewChunk } from '../records/job-uploads';
import { ByteBuffer } from './byte-buffer';
import type { InputRow } from './input-row';

/** Where rows go, and how many go together. */
export interface ChunksToWrite {
  readonly jobId: string;
  readonly rowsPerChunk: number;
  /** A chunk has more bytes only where it has a single row. Default 8 MiB. */
  readonly maxBytes?: number;
  readonly store: BlobStore;
}

/** A chunk whose file is stored. */
export interface WrittenChunk extends NewChunk {
  /** How many of its rows could not be read. */
  readonly unreadable: number;
}

const MAX_BYTES = 8 * 1024 * 1024;

/**
 * Writes rows into chunk files, one line each, and tells of each file once it is durable. While one is being stored no more rows
 * are taken, so that an upload holds one chunk and what its source holds. Throws storage_full, storage_unavailable, and what
 * the rows throw; the files written so far are then the caller's to delete.
 */
export async function* writeChunks(
  rows: AsyncIterable<readonly InputRow[]> | Iterable<readonly InputRow[]>,
  { jobId, rowsPerChunk, maxBytes = MAX_BYTES, store }: ChunksToWrite,
): AsyncGenerator<WrittenChunk> {
  const chunk = new OpenChunk(jobId, store);
  for await (const batch of rows) {
    for (const row of batch) {
      const begin = lineStart(chunk.nextRow, row);
      const bytes = begin.length * 3 + ('json' in row ? row.json.length : 0);
      if (chunk.rows === rowsPerChunk || chunk.isFullFor(bytes, maxBytes)) yield await chunk.store();
      chunk.add(row, begin);
    }
  }
  if (chunk.rows > 0) yield await chunk.store();
}

/** The chunk that is being filled; the next one uses its memory again. */
class OpenChunk {
  private readonly buffer = new ByteBuffer();
  private idx = 0;
  private firstRow = 0;
  private unreadable = 0;
  rows = 0;

  constructor(
    private readonly jobId: string,
    private readonly blobs: BlobStore,
  ) {}

  get nextRow(): number {
    return this.firstRow + this.rows;
  }

  isFullFor(bytes: number, maxBytes: number): boolean {
    return this.rows > 0 && this.buffer.length + bytes > maxBytes;
  }

  add(row: InputRow, begin: string): void {
    this.buffer.appendText(begin);
    if ('json' in row) this.buffer.append(row.json);
    else this.unreadable++;
    this.buffer.appendText('}\n');
    this.rows++;
  }

  async store(): Promise<WrittenChunk> {
    const { idx, firstRow, rows, unreadable } = this;
    const key = inputKey(this.jobId, idx);
    await this.blobs.put(key, once(this.buffer.view()));
    this.buffer.clear();
    [this.idx, this.firstRow, this.rows, this.unreadable] = [idx + 1, firstRow + rows, 0, 0];
    return { idx, firstRow, rows, inputKey: key, unreadable };
  }
}

/** All of a row's line but the row itself and its end. */
function lineStart(index: number, row: InputRow): string {
  const begin = `{"i":${index},"id":${JSON.stringify(row.id ?? `r${index}`)}`;
  return 'json' in row ? `${begin},"row":` : `${begin},"error":${JSON.stringify(row.error)}`;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
