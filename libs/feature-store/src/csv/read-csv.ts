import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { type JsonRecord, type StoredDtype, isInteger } from '@app/core';
import { type Info, parse } from 'csv-parse';
import type { PushRow } from '../rows/feature-view-store';
import type { Feature } from '../views/feature-view';
import type { FeatureViews } from '../views/feature-views';

/** What a file cannot be read for as a whole, in a sentence. */
export class CsvFault extends Error {}

/** A line of the file as a row to push, or what keeps it from being one. */
export type CsvLine = { readonly line: number } & ({ readonly row: PushRow } | { readonly says: string });

/** What a file's cells are read as. */
export interface CsvTarget {
  readonly views: FeatureViews;
  readonly view: string;
  /** The moment of every row, RFC 3339; absent: the file has a column `event_timestamp`. */
  readonly eventTs?: string;
}

/** Names that the column with the moment may have; the first is Feast's. */
const MOMENT_COLUMNS: readonly string[] = ['event_timestamp', 'event_ts'];
const RECORD_LIMIT_CHARACTERS = 4 * 1024 * 1024;

type Cell = string | null;

interface ReadRecord {
  readonly record: readonly Cell[];
  readonly info: Info;
}

/**
 * The rows of a CSV file with a header line: UTF-8, commas, double quotes. A column is a join key, a feature of any version
 * of the view, or the moment. An empty cell is no value, `""` an empty text. Throws feature_view_not_found, and `CsvFault`.
 */
export async function* readCsv(file: string, target: CsvTarget): AsyncGenerator<CsvLine> {
  target.views.known(target.view);
  let reader: LineReader | undefined;
  let breaks = 0;
  try {
    for await (const { record, info } of records(file)) {
      breaks += breaksIn(record);
      // The parser counts a break of two characters inside quotes as two lines.
      if (reader) yield reader.read(record, info.records + info.empty_lines + breaks);
      else reader = new LineReader(record, target);
    }
  } catch (cause) {
    throw asFault(cause);
  }
  if (!reader) throw new CsvFault('The file is empty: its first line must name the columns.');
}

/** Line breaks inside of cells. */
function breaksIn(record: readonly Cell[]): number {
  return record.reduce((sum, cell) => sum + (cell?.match(/\r\n|\r|\n/g)?.length ?? 0), 0);
}

function records(file: string): AsyncIterable<ReadRecord> {
  const parser = parse({
    info: true,
    // Lines of another length are told one by one.
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: RECORD_LIMIT_CHARACTERS,
    cast: (text, { quoting }): Cell => (text === '' && !quoting ? null : text),
  });
  const source = Readable.from(texts(file));
  source.on('error', (fault) => parser.destroy(fault));
  return source.pipe(parser) as AsyncIterable<ReadRecord>;
}

/** Without a byte order mark. Throws for what is no UTF-8, which would else become question marks in silence. */
async function* texts(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for await (const bytes of createReadStream(file)) yield decoder.decode(bytes as Uint8Array, { stream: true });
  yield decoder.decode();
}

function asFault(cause: unknown): unknown {
  const { code, lines } = cause as { readonly code?: string; readonly lines?: number };
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return new CsvFault('The file is not UTF-8.');
  if (code === 'ENOENT' || code === 'EISDIR' || code === 'EACCES') {
    return new CsvFault(`The file cannot be read: ${code}.`);
  }
  if (code === 'CSV_MAX_RECORD_SIZE') return new CsvFault(`Line ${lines} is too long; is a quote never closed?`);
  if (code?.startsWith('CSV_')) return new CsvFault(`Line ${lines} is no CSV: a quote is where it may not be.`);
  return cause;
}

/** Reads lines by the names in the first one. */
class LineReader {
  private readonly keys: ReadonlyMap<string, number>;
  private readonly features: readonly (readonly [Feature, number])[];
  private readonly moment: number;
  private readonly width: number;

  constructor(
    header: readonly Cell[],
    private readonly target: CsvTarget,
  ) {
    const names = header.map((name) => (name ?? '').trim());
    const { views, view } = target;
    const entities = views.known(view).entities.map(({ name }) => name);
    const features = [...views.featuresOf(view).values()];
    const at = (name: string): number => names.indexOf(name);
    this.width = names.length;
    const columns = new Set([...entities, ...features.map(({ name }) => name)]);
    const moments = names.filter((name) => MOMENT_COLUMNS.includes(name) && !columns.has(name));
    this.moment = at(moments[0] ?? '');
    this.keys = new Map(entities.map((name) => [name, at(name)]));
    this.features = features.map((feature) => [feature, at(feature.name)] as const).filter(([, place]) => place >= 0);
    this.check(names, new Set([...columns, ...MOMENT_COLUMNS]));
    this.checkMoment(moments);
  }

  private checkMoment([first, second]: readonly string[]): void {
    const { eventTs } = this.target;
    if (second !== undefined) throw new CsvFault(`The columns ${first} and ${second} both say when a row was true.`);
    if (first !== undefined && eventTs !== undefined) {
      throw new CsvFault(`The column ${first} says when a row was true; leave --event-ts out, or the column.`);
    }
    if (first === undefined && eventTs === undefined) {
      throw new CsvFault('The file has no column event_timestamp; give one moment for all rows with --event-ts.');
    }
  }

  private check(names: readonly string[], known: ReadonlySet<string>): void {
    const shown = (name: string): string => JSON.stringify(name.slice(0, 64));
    const stranger = names.find((name) => !known.has(name));
    if (stranger !== undefined) {
      throw new CsvFault(`The column ${shown(stranger)} is nothing of the view. It has: ${[...known].join(', ')}.`);
    }
    const twice = names.find((name, index) => names.indexOf(name) < index);
    if (twice !== undefined) throw new CsvFault(`The column ${shown(twice)} is there twice.`);
    const lacking = [...this.keys].find(([, place]) => place < 0);
    if (lacking) throw new CsvFault(`The file has no column ${shown(lacking[0])}, which is a join key.`);
  }

  read(cells: readonly Cell[], line: number): CsvLine {
    if (cells.length !== this.width) {
      return { line, says: `has ${cells.length} cells, and the first line has ${this.width}` };
    }
    const values = this.features.flatMap(([feature, place]) => {
      const cell = cells[place] ?? null;
      return cell === null ? [] : [[feature.name, valueOf(feature, cell)] as const];
    });
    const keys = [...this.keys].flatMap(([name, place]) => (cells[place] === null ? [] : [[name, cells[place]]]));
    const features = Object.fromEntries(values) as JsonRecord;
    const entities = Object.fromEntries(keys) as JsonRecord;
    return { line, row: { entities, event_ts: this.target.eventTs ?? cells[this.moment], features } };
  }
}

const INTEGER = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, false: false, '1': true, '0': false };

/** A cell as JSON of the feature's type. What does not look like it stays text, and is refused with its line. */
function valueOf({ dtype, shape }: Feature, cell: string): unknown {
  if (shape) return parsedOr(cell);
  const text = cell.trim();
  if (dtype === 'BOOL') return BOOLEANS[text.toLowerCase()] ?? cell;
  if (dtype === 'STRING' || dtype === 'BYTES' || dtype === 'TIMESTAMP') return cell;
  if (!isInteger(dtype)) return NUMBER.test(text) ? Number(text) : text;
  if (!INTEGER.test(text)) return cell;
  return isWide(dtype) ? text.replace('+', '') : Number(text);
}

/** 64 bits, which no JSON number holds. */
function isWide(dtype: StoredDtype): boolean {
  return dtype === 'INT64' || dtype === 'UINT64';
}

function parsedOr(cell: string): unknown {
  try {
    return JSON.parse(cell) as unknown;
  } catch {
    return cell;
  }
}
