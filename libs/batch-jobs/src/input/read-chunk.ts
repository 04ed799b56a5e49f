import type { BlobStore } from '@app/blob-store';
import type { JsonRecord } from '@app/core';
import type { RowError } from '../results/row-error';
import { splitLines } from './split-lines';

/** A row of a chunk file: as the client sent it, or why there is none. */
export type ChunkRow = {
  /** In the job's input. */
  readonly index: number;
  readonly id: string;
} & ({ readonly row: JsonRecord } | { readonly error: RowError });

/** The files are our own, and a row of CSV may grow as JSON. A longer line is no line: the file is broken. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/**
 * The rows of a chunk file, in order, some at a time; undefined where there is no such file. A row is what `JSON.parse` makes of
 * the client's own digits, as at the doors of online predictions. Throws storage_unavailable.
 */
export async function readChunk(
  store: Pick<BlobStore, 'get'>,
  key: string,
): Promise<AsyncGenerator<readonly ChunkRow[]> | undefined> {
  const content = await store.get(key);
  return content && rowsOf(content);
}

async function* rowsOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<readonly ChunkRow[]> {
  for await (const lines of splitLines(content, MAX_LINE_BYTES)) yield lines.map(({ bytes }) => rowOf(bytes));
}

function rowOf(line: Buffer): ChunkRow {
  const { i: index, ...rest } = JSON.parse(line.toString('utf8')) as ChunkLine;
  return { index, ...rest };
}

type ChunkLine = { readonly i: number; readonly id: string } & (
  { readonly row: JsonRecord } | { readonly error: RowError }
);
