import { ByteBuffer } from './byte-buffer';
import { MARK_BYTES, hasMark } from './byte-order-mark';
import { MAX_ROW_BYTES, type RawRow } from './input-row';
import { rowTooLarge } from './input-limits';

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;

/**
 * The lines of NDJSON, as many at a time as a chunk of the input has. They end with LF or CRLF, the last one also without;
 * blank ones are counted and left out. A byte order mark is dropped wherever a line begins with it: joined files have several.
 * Throws body_too_large for a line beyond `maxBytes`.
 */
export async function* splitLines(
  input: AsyncIterable<Uint8Array>,
  maxBytes = MAX_ROW_BYTES,
): AsyncGenerator<readonly RawRow[]> {
  const begun = new ByteBuffer();
  let line = 1;
  for await (const chunk of input) {
    const rows: RawRow[] = [];
    let start = 0;
    for (;;) {
      // Blank lines cost their sender nearly nothing, inflated a thousand to one: they are passed over byte by byte.
      while (begun.length === 0 && isSpace(chunk[start])) if (chunk[start++] === LINE_FEED) line++;
      const end = chunk.indexOf(LINE_FEED, start);
      if (end < 0) break;
      if (begun.length + end - start > maxBytes) throw rowTooLarge(line, maxBytes);
      const bytes = trimmed(lineOf(begun, chunk.subarray(start, end)));
      if (bytes.length > 0) rows.push({ line, bytes });
      line++;
      start = end + 1;
    }
    if (begun.length + chunk.length - start > maxBytes) throw rowTooLarge(line, maxBytes);
    begun.append(chunk.subarray(start));
    if (rows.length > 0) yield rows;
  }
  const bytes = trimmed(begun.view());
  if (bytes.length > 0) yield [{ line, bytes }];
}

function lineOf(begun: ByteBuffer, end: Uint8Array): Buffer {
  if (begun.length === 0) return Buffer.from(end.buffer, end.byteOffset, end.length);
  begun.append(end);
  return begun.take();
}

/** Without the white space of JSON around, and without byte order marks in front. */
export function trimmed(bytes: Buffer): Buffer {
  let start = 0;
  let end = bytes.length;
  while (isSpace(bytes[start]) || hasMark(bytes, start)) start += isSpace(bytes[start]) ? 1 : MARK_BYTES;
  while (end > start && isSpace(bytes[end - 1])) end--;
  return bytes.subarray(start, end);
}

/** Whether a byte is white space of JSON. */
export function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === CARRIAGE_RETURN || byte === LINE_FEED;
}
