import type { BlobStore } from '@app/blob-store';
import { type ChunkRow, readChunk } from '../input/read-chunk';
import { splitLines } from '../input/split-lines';
import type { ChunkRecord } from '../records/chunk-record';
import { isErrorLine, resultLine } from './result-line';
import type { RowError } from './row-error';

/** A chunk that is done or dead, as far as its results are concerned. */
export type EndedChunk = Pick<ChunkRecord, 'firstRow' | 'rows' | 'inputKey' | 'resultKey' | 'errRows'>;

/** Which result lines: those of the rows from `from` up to, but without, `to`. */
export interface ResultRange {
  readonly from: number;
  readonly to: number;
  readonly onlyErrors?: boolean;
}

const CHUNK_FAILED: RowError = {
  code: 'chunk_failed',
  message: 'The part of the job with this row was given up. Retry the job to run it again.',
  param: null,
  details: [],
};
/** No output is longer than what one answer may hold. */
const MAX_LINE_BYTES = 512 * 1024 * 1024;

const LINE_FEED = Buffer.from('\n');

/**
 * The result lines of chunks in order, as bytes of JSONL. Files are sent as they are; lines of a chunk without a file, be it that
 * it was given up or that its file is lost, are made here: every row is chunk_failed. Throws storage_unavailable, and what
 * `chunks` throws.
 */
export async function* readResults(
  chunks: AsyncIterable<EndedChunk>,
  range: ResultRange,
  store: Pick<BlobStore, 'get'>,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    const end = chunk.firstRow + chunk.rows;
    if (end <= range.from || chunk.firstRow >= range.to) continue;
    const content = chunk.resultKey === undefined ? undefined : await store.get(chunk.resultKey);
    if (content && range.onlyErrors && chunk.errRows === 0) content.destroy();
    else yield* linesOf(content ?? madeLines(chunk, store), chunk, range);
  }
}

async function* linesOf(
  content: AsyncIterable<Buffer>,
  { firstRow, rows }: EndedChunk,
  { from, to, onlyErrors = false }: ResultRange,
): AsyncGenerator<Buffer> {
  if (!onlyErrors && from <= firstRow && to >= firstRow + rows) return yield* content;
  let row = firstRow;
  for await (const lines of splitLines(content, MAX_LINE_BYTES)) {
    const first = row;
    row += lines.length;
    const wanted = lines.filter((_, at) => first + at >= from && first + at < to).map(({ bytes }) => bytes);
    const kept = onlyErrors ? wanted.filter(isErrorLine) : wanted;
    if (kept.length > 0) yield Buffer.concat(kept.flatMap((line) => [line, LINE_FEED]));
    if (row >= to) return;
  }
}

async function* madeLines(chunk: EndedChunk, store: Pick<BlobStore, 'get'>): AsyncGenerator<Buffer> {
  for await (const rows of (await readChunk(store, chunk.inputKey)) ?? unnamedRows(chunk)) {
    const lines = rows.map(({ index, id }) => resultLine({ index, id, error: CHUNK_FAILED }));
    yield Buffer.from(lines.join(''));
  }
}

const BATCH = 500;

/** Rows of which nothing is left but their places. */
function* unnamedRows({ firstRow, rows }: EndedChunk): Generator<readonly Pick<ChunkRow, 'index' | 'id'>[]> {
  for (let start = firstRow; start < firstRow + rows; start += BATCH) {
    const count = Math.min(BATCH, firstRow + rows - start);
    yield Array.from({ length: count }, (_, at) => ({ index: start + at, id: `r${start + at}` }));
  }
}
