import { isUtf8 } from 'node:buffer';
import { QuaysideError } from '@app/core';
import { type Parser, parse } from 'csv-parse';
import { type CellReading, type RowColumns, cellJson } from './cell-reading';
import { rowTooLarge } from './input-limits';
import { type IdField, type InputRow, MAX_ROW_BYTES, checkedId, errorOf } from './input-row';

/** What a CSV input is read with. */
export interface CsvOptions {
  readonly columns: RowColumns;
  readonly idField?: IdField;
  /** Default 1 MiB. */
  readonly maxBytes?: number;
}

/** A cell: undefined for an empty one without quotes, which is no value; null for what is no UTF-8. */
type Cell = string | undefined | null;

const NON_ASCII = /[^\0-\x7f]/;

/**
 * The rows of CSV with a header line, as many at a time as a chunk of the input has: UTF-8, commas, double quotes, lines that
 * end with LF or CRLF. Cells become what the model takes in their column, numbers with the digits that they have. An empty cell
 * is no value, `""` an empty text. A line of another number of cells, or with bytes that are no UTF-8, is a row with an error.
 * Throws invalid_request where the header does not fit the model or a quote is where none may be, body_too_large for a record
 * beyond `maxBytes`.
 */
export async function* readCsv(
  input: AsyncIterable<Uint8Array>,
  options: CsvOptions,
): AsyncGenerator<readonly InputRow[]> {
  const records = new RecordReader(options);
  for await (const chunk of input) {
    const rows = records.read(chunk);
    if (rows.length > 0) yield rows;
  }
  const last = await records.end();
  if (last.length > 0) yield last;
}

/**
 * The parser, used as a function from chunks to rows: it calls back for each record while a chunk is written. Its own line
 * count takes a CRLF in quotes for two lines, so lines are counted here.
 */
class RecordReader {
  private readonly parser: Parser;
  private readonly maxBytes: number;
  private header: Header | undefined;
  private rows: InputRow[] = [];
  /** Of the record that is being read. */
  private line = 1;
  private feeds = 0;

  constructor(private readonly options: CsvOptions) {
    this.maxBytes = options.maxBytes ?? MAX_ROW_BYTES;
    this.parser = parse({
      // One byte is one character, so that it can be told what is no UTF-8.
      encoding: 'latin1',
      record_delimiter: ['\r\n', '\n'],
      relax_column_count: true,
      max_record_size: this.maxBytes,
      cast: (text, { quoting }) => this.cell(text, quoting),
      on_record: (cells: readonly Cell[]) => this.record(cells),
    });
    // Looked at after each chunk.
    this.parser.on('error', () => undefined);
    this.parser.resume();
  }

  /** The rows that end in this chunk. */
  read(chunk: Uint8Array): readonly InputRow[] {
    this.parser.write(chunk);
    return this.taken();
  }

  async end(): Promise<readonly InputRow[]> {
    const ended = Promise.withResolvers<void>();
    this.parser.once('close', ended.resolve).end();
    await ended.promise;
    if (!this.header && !this.parser.errored) throw refused('The file is empty: its first line must name the columns.');
    return this.taken();
  }

  private taken(): readonly InputRow[] {
    if (this.parser.errored) throw this.asRefusal(this.parser.errored);
    const { rows } = this;
    this.rows = [];
    return rows;
  }

  private cell(latin: string, quoting: boolean): Cell {
    if (latin === '' && !quoting) return undefined;
    if (quoting && latin.includes('\n')) this.feeds += latin.split('\n').length - 1;
    if (!NON_ASCII.test(latin)) return latin;
    const bytes = Buffer.from(latin, 'latin1');
    return isUtf8(bytes) ? bytes.toString('utf8') : null;
  }

  /** Gives nothing, so that the parser keeps nothing. */
  private record(cells: readonly Cell[]): null {
    const { line, header } = this;
    this.line += 1 + this.feeds;
    this.feeds = 0;
    if (cells.length === 1 && cells[0] === undefined) return null;
    if (header) this.rows.push(header.row(cells, line));
    else this.header = new Header(cells, this.options);
    return null;
  }

  private asRefusal(fault: Error): Error {
    const { code = '' } = fault as { readonly code?: string };
    if (code === 'CSV_MAX_RECORD_SIZE') return rowTooLarge(this.line, this.maxBytes);
    if (code === 'CSV_QUOTE_NOT_CLOSED')
      return refused(`A quote in the record from line ${this.line} is never closed.`);
    if (!/QUOTE/.test(code)) return fault;
    return refused(`The record from line ${this.line} is no CSV: a quote is where none may be. Write "" for a quote.`);
  }
}

/** What stands in which place of a record. */
class Header {
  private readonly places: readonly { readonly key: string; readonly reading: CellReading | undefined }[];
  private readonly idPlace: number;

  constructor(
    header: readonly Cell[],
    private readonly options: CsvOptions,
  ) {
    const names = header.map((name) => (name ?? '').trim());
    this.check(names);
    const { columns, idField } = options;
    this.idPlace = idField ? names.indexOf(idField.name) : -1;
    this.places = names.map((name) => ({ key: JSON.stringify(name), reading: columns.readings.get(name) }));
  }

  row(cells: readonly Cell[], line: number): InputRow {
    try {
      const { idField } = this.options;
      if (cells.length !== this.places.length) throw this.uneven(cells.length);
      if (cells.includes(null)) throw new QuaysideError('invalid_utf8', 'The row is not valid UTF-8.');
      const id = idField && cells[this.idPlace];
      const json = Buffer.from(this.json(cells));
      return { line, json, ...(id && { id: checkedId(id, idField.name) }) };
    } catch (fault) {
      return { line, error: errorOf(fault) };
    }
  }

  private json(cells: readonly Cell[]): string {
    const leftOut = this.options.idField?.staysInRow ? -1 : this.idPlace;
    let json = '';
    for (const [place, { key, reading }] of this.places.entries()) {
      const cell = cells[place];
      if (typeof cell !== 'string' || place === leftOut) continue;
      json += `${json && ','}${key}:${cellJson(cell, reading)}`;
    }
    return `{${json}}`;
  }

  private check(names: readonly string[]): void {
    const { columns, idField } = this.options;
    const known = [...columns.readings.keys()];
    const isKnown = (name: string): boolean => columns.readings.has(name) || name === idField?.name;
    const stranger = columns.isOpen
      ? names.find((name) => FORBIDDEN.includes(name))
      : names.find((name) => !isKnown(name));
    if (stranger !== undefined) {
      throw refused(`The model takes no column ${shown(stranger)}. It takes: ${known.join(', ')}.`);
    }
    const twice = names.find((name, place) => names.indexOf(name) < place);
    if (twice !== undefined) throw refused(`The column ${shown(twice)} is there twice.`);
    const lacking = [...columns.required, ...(idField ? [idField.name] : [])].find((name) => !names.includes(name));
    if (lacking !== undefined)
      throw refused(`The file has no column ${shown(lacking)}; the first line names the columns.`);
  }

  private uneven(cells: number): QuaysideError {
    return new QuaysideError('invalid_input', `The row has ${cells} cells; the first line has ${this.places.length}.`);
  }
}

const FORBIDDEN: readonly string[] = ['__proto__', ''];

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}

function refused(message: string): QuaysideError {
  return new QuaysideError('invalid_request', message);
}
