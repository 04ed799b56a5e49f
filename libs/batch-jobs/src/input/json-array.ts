import { QuaysideError } from '@app/core';
import { ByteBuffer } from './byte-buffer';
import { rowTooLarge } from './input-limits';
import { MAX_ROW_BYTES, type RawRow } from './input-row';
import { isSpace, trimmed } from './split-lines';

const LINE_FEED = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * The elements of a JSON array, as many at a time as a chunk of the input has. Only where they begin and end is looked for:
 * what is in them is read later, and a bad one spoils no other. Throws invalid_json where the array itself is not whole,
 * body_too_large for an element beyond `maxBytes`.
 */
export async function* splitArray(
  input: AsyncIterable<Uint8Array>,
  maxBytes = MAX_ROW_BYTES,
): AsyncGenerator<readonly RawRow[]> {
  const splitter = new ArraySplitter(maxBytes);
  for await (const chunk of input) {
    const rows = splitter.split(chunk);
    if (rows.length > 0) yield rows;
  }
  splitter.end();
}

/** What may stand at the next byte: `[` → an element or `]` → (`,` → an element)* → `]` → nothing. */
type Place = 'before' | 'first' | 'element' | 'next' | 'after';

/** Finds elements in chunks that begin and end anywhere. */
class ArraySplitter {
  private readonly begun = new ByteBuffer();
  private place: Place = 'before';
  private line = 1;
  private elementLine = 1;
  private depth = 0;
  private inString = false;
  private isEscaped = false;

  constructor(private readonly maxBytes: number) {}

  split(chunk: Uint8Array): readonly RawRow[] {
    const rows: RawRow[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (byte === LINE_FEED) this.line++;
      if (this.place !== 'element') {
        if (this.arrives(byte)) start = at;
      } else if (this.endsElement(byte)) {
        rows.push(this.element(chunk.subarray(start, at)));
        this.place = byte === COMMA ? 'next' : 'after';
      }
    }
    if (this.place === 'element') this.keep(chunk.subarray(start));
    return rows;
  }

  end(): void {
    if (this.place !== 'after') throw broken('It ends before its closing bracket.');
  }

  /** Takes a byte between elements. True: an element begins with it. */
  private arrives(byte: number): boolean {
    if (isSpace(byte)) return false;
    if (this.place === 'before') return this.opens(byte);
    if (this.place === 'after') throw broken(`Something follows its closing bracket, in line ${this.line}.`);
    if (byte === CLOSE_BRACKET && this.place === 'first') return this.closes();
    if (byte === COMMA || byte === CLOSE_BRACKET) throw broken(`A value is missing in line ${this.line}.`);
    this.place = 'element';
    this.elementLine = this.line;
    this.endsElement(byte);
    return true;
  }

  private opens(byte: number): false {
    if (byte !== OPEN_BRACKET) throw broken('It is no array: send [{"field": value, …}, …].');
    this.place = 'first';
    return false;
  }

  private closes(): false {
    this.place = 'after';
    return false;
  }

  /** Takes a byte of an element. True: it is the comma or the bracket behind it. */
  private endsElement(byte: number): boolean {
    if (this.inString) {
      if (this.isEscaped) this.isEscaped = false;
      else if (byte === BACKSLASH) this.isEscaped = true;
      else if (byte === QUOTE) this.inString = false;
      return false;
    }
    if (byte === QUOTE) this.inString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.depth++;
    else if (this.depth === 0) return byte === COMMA || byte === CLOSE_BRACKET;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) this.depth--;
    return false;
  }

  private element(end: Uint8Array): RawRow {
    this.keep(end);
    return { line: this.elementLine, bytes: trimmed(this.begun.take()) };
  }

  private keep(bytes: Uint8Array): void {
    if (this.begun.length + bytes.length > this.maxBytes) throw rowTooLarge(this.elementLine, this.maxBytes);
    this.begun.append(bytes);
  }
}

function broken(says: string): QuaysideError {
  return new QuaysideError('invalid_json', `The body is not a JSON array. ${says}`);
}
