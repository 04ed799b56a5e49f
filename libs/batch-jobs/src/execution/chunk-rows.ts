import type { BlobStore } from '@app/blob-store';
import { type ChunkRow, readChunk } from '../input/read-chunk';
import { splitLines } from '../input/split-lines';
import type { ChunkRecord } from '../records/chunk-record';
import { isErrorLine } from '../results/result-line';
import type { RowError } from '../results/row-error';
import { WORKER_CRASH } from './answer-rows';

/** A row of a chunk, or the line of it that an earlier attempt has written and that stays as it is. */
export type RowToRun = ChunkRow | { readonly index: number; readonly line: Buffer };

type ChunkFiles = Pick<ChunkRecord, 'firstRow' | 'rows' | 'inputKey' | 'resultKey' | 'badRows'>;

const MAX_LINE_BYTES = 512 * 1024 * 1024;
const LOST: RowError = {
  code: 'chunk_failed',
  message: 'The stored bytes of this row are lost. Submit the job again.',
  param: null,
  details: [],
};

/**
 * All rows of a chunk, in order, some at a time. Those that were answered by an earlier attempt bring their lines along; those that a
 * worker died of, and those whose bytes are lost, bring an error. Throws storage_unavailable.
 */
export async function* chunkRows(chunk: ChunkFiles, blobs: BlobStore): AsyncGenerator<readonly RowToRun[]> {
  const bad = new Set(chunk.badRows);
  using earlier = await EarlierLines.open(chunk, blobs);
  for await (const rows of everyRow(chunk, blobs)) {
    const all: RowToRun[] = [];
    for (const row of rows) {
      const line = earlier && (await earlier.next());
      if (line && !isErrorLine(line)) all.push({ index: row.index, line });
      else all.push(bad.has(row.index) ? { index: row.index, id: row.id, error: WORKER_CRASH } : row);
    }
    yield all;
  }
}

/** As many rows as the chunk has, whatever is left of its file. */
async function* everyRow(
  { firstRow, rows: count, inputKey }: ChunkFiles,
  blobs: BlobStore,
): AsyncGenerator<readonly ChunkRow[]> {
  let next = firstRow;
  const stored = await readChunk(blobs, inputKey);
  if (stored) {
    for await (const rows of stored) {
      yield rows;
      next += rows.length;
    }
  }
  const missing = firstRow + count - next;
  if (missing === 0) return;
  yield Array.from({ length: missing }, (_, at) => ({ index: next + at, id: `r${next + at}`, error: LOST }));
}

/** The result lines of an earlier attempt, one after the other. */
class EarlierLines implements Disposable {
  private lines: readonly Buffer[] = [];
  private at = 0;

  private constructor(
    private readonly batches: AsyncGenerator<readonly { readonly bytes: Buffer }[]>,
    private readonly content: Disposable & { destroy(): unknown },
  ) {}

  static async open({ resultKey }: ChunkFiles, blobs: BlobStore): Promise<EarlierLines | undefined> {
    const content = resultKey === undefined ? undefined : await blobs.get(resultKey);
    if (!content) return undefined;
    const destroy = (): void => void content.destroy();
    return new EarlierLines(splitLines(content, MAX_LINE_BYTES), { destroy, [Symbol.dispose]: destroy });
  }

  async next(): Promise<Buffer | undefined> {
    while (this.at === this.lines.length) {
      const { value, done } = await this.batches.next();
      if (done) return undefined;
      // The reader uses its memory again.
      this.lines = value.map(({ bytes }) => Buffer.from(bytes));
      this.at = 0;
    }
    return this.lines[this.at++];
  }

  [Symbol.dispose](): void {
    this.content.destroy();
  }
}
