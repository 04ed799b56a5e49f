/** A value of one column: text, numbers and booleans, JSON and lists as text. */
export type ColumnValue = string | number | boolean | null;

/** One instance of a prediction as it goes into the table: encoded, redacted, and never changed again. */
export interface LogRow {
  /** Its line of a `copy`, in the order of `LOG_COLUMNS`. Bytes, since texts that wait are work for the garbage collector. */
  readonly line: Buffer;
  /** When the call began, in milliseconds since the Unix epoch: that of the id. It decides the partition. */
  readonly createdAtMs: number;
  /** About what it takes in memory. */
  readonly bytes: number;
  /** Whether it is of a failed call. */
  readonly failed: boolean;
}

/** The columns that all instances of a call have the same value of. */
export const SHARED_COLUMNS = [
  ['id', 'uuid'],
  ['created_at', 'timestamptz'],
  ['request_id', 'text'],
  ['trace_id', 'text'],
  ['door', 'text'],
  ['model', 'text'],
  ['version', 'text'],
  ['digest', 'text'],
  ['status', 'text'],
  ['error_code', 'text'],
  ['queue_ms', 'real'],
  ['enrich_ms', 'real'],
  ['infer_ms', 'real'],
  ['total_ms', 'real'],
  ['batch_size', 'int'],
  ['cache', 'text'],
  ['degraded', 'boolean'],
  ['codec', 'smallint'],
] as const;

/** Those that each instance has its own value of. */
export const OWN_COLUMNS = [
  ['row_index', 'int'],
  ['inputs', 'json'],
  ['outputs', 'json'],
  ['features', 'json'],
  ['entity_keys', 'text[]'],
  ['prediction_num', 'float8'],
  ['prediction_label', 'text'],
  ['score', 'float8'],
  ['sampling_rate', 'real'],
  ['flags', 'text[]'],
] as const;

/** The columns that are written, in this order, with their types. */
export const LOG_COLUMNS = [...SHARED_COLUMNS, ...OWN_COLUMNS] as const;

/** The name of a column that is written. */
export type LogColumn = (typeof LOG_COLUMNS)[number][0];

type Columns = readonly (readonly [name: string, type: string])[];
type ValuesOf<C extends Columns> = Readonly<Record<C[number][0], ColumnValue>>;

/** What a row takes beside its line. */
const ROW_BYTES = 250;

/** The part of a line that belongs to these columns. */
export function copyFields<C extends Columns>(columns: C, values: ValuesOf<C>): string {
  let line = '';
  for (const [name, type] of columns) {
    const value = values[name as C[number][0]];
    if (line !== '') line += '\t';
    if (type === 'text' || type === 'text[]') line += copyText(value as string | null);
    else if (type === 'json') line += copyJson(value as string | null);
    else line += value ?? NULL;
  }
  return line;
}

/** A row of its two parts. */
export function toLogRow(shared: string, own: string, about: Pick<LogRow, 'createdAtMs' | 'failed'>): LogRow {
  const line = Buffer.from(`${shared}\t${own}\n`);
  return { line, createdAtMs: about.createdAtMs, bytes: line.length + ROW_BYTES, failed: about.failed };
}

/** What stands in a row, as PostgreSQL writes it, in the order of `LOG_COLUMNS`. */
export function valuesOf({ line }: LogRow): readonly (string | null)[] {
  const fields = line.toString('utf8', 0, line.length - 1).split('\t');
  return fields.map((field) =>
    field === NULL ? null : field.replace(/\\([\\tnr])/g, (_, escaped: string) => UNESCAPED[escaped] ?? escaped),
  );
}

/** A list of texts as PostgreSQL writes an array; null for none. */
export function arrayLiteral(texts: readonly string[]): string | null {
  if (texts.length === 0) return null;
  return `{${texts.map((text) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(',')}}`;
}

const NULL = '\\N';
const COPY_SPECIAL = /[\\\t\n\r]/;
const COPY_ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };
const UNESCAPED: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r' };

function copyText(text: string | null): string {
  if (text === null) return NULL;
  return COPY_SPECIAL.test(text) ? text.replace(/[\\\t\n\r]/g, (each) => COPY_ESCAPES[each] ?? each) : text;
}

/** JSON has its own escapes for control characters, so that its backslashes alone are special. */
function copyJson(text: string | null): string {
  if (text === null) return NULL;
  return text.includes('\\') ? text.replaceAll('\\', '\\\\') : text;
}
