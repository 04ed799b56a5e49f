import { decodeCursor, encodeCursor } from './cursor';

/** What a reader asks for, and how far the job is. */
export interface PageQuery {
  /** A cursor; absent: from the first row on. */
  readonly after?: string;
  /** The most rows; absent: all there are. Rows that give no line, as with `only=errors`, count too: a page is known before it is read. */
  readonly limit?: number;
  /** The row at which the finished prefix ends; once the job has ended, its number of rows. */
  readonly endRow: number;
  readonly hasEnded: boolean;
}

/** A page of results, known before its first byte. */
export interface ResultPage {
  /** Its rows: from `from` up to, but without, `to`. */
  readonly from: number;
  readonly to: number;
  /** The cursor behind it. */
  readonly next: string;
  /** Whether nothing follows, and nothing will in this attempt. */
  readonly isComplete: boolean;
}

/** The page that a reader gets. Throws invalid_request for a cursor that nobody was given. */
export function resultPage({ after, limit = Infinity, endRow, hasEnded }: PageQuery): ResultPage {
  const from = after === undefined ? 0 : decodeCursor(after);
  // A retry may have moved the end of the prefix back before the reader.
  const to = Math.max(from, Math.min(from + limit, endRow));
  return { from, to, next: encodeCursor(to), isComplete: hasEnded && to >= endRow };
}
