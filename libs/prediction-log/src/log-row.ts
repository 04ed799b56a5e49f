/** A value of one column, as `pg` takes it: text, numbers and booleans. */
export type ColumnValue = string | number | boolean | null;

/** One instance of a prediction as it goes into the table: encoded, redacted, and never changed again. */
export interface LogRow {
  /** In the order of `LOG_COLUMNS`. */
  readonly values: readonly ColumnValue[];
  /** When the call began, in milliseconds since the Unix epoch: that of the id. It decides the partition. */
  readonly createdAtMs: number;
  /** About what it takes in memory. */
  readonly bytes: number;
  /** Whether it is of a failed call. */
  readonly failed: boolean;
}

/** The columns that are written, with their types. `id` and `row_index` come first. */
export const LOG_COLUMNS = [
  ['id', 'uuid'],
  ['row_index', 'int'],
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
  ['inputs', 'jsonb'],
  ['outputs', 'jsonb'],
  ['features', 'jsonb'],
  ['entity_keys', 'text[]'],
  ['prediction_num', 'float8'],
  ['prediction_label', 'text'],
  ['score', 'float8'],
  ['sampling_rate', 'real'],
  ['flags', 'text[]'],
  ['codec', 'smallint'],
] as const;

/** The name of a column that is written. */
export type LogColumn = (typeof LOG_COLUMNS)[number][0];

/** What a row takes beside its long texts. */
const ROW_BYTES = 600;

/** A row of values by column. */
export function toLogRow(values: Readonly<Record<LogColumn, ColumnValue>>, createdAtMs: number): LogRow {
  const { inputs, outputs, features, entity_keys: keys, prediction_label: label } = values;
  const texts = [inputs, outputs, features, keys, label];
  const bytes = texts.reduce<number>((sum, text) => sum + (typeof text === 'string' ? text.length : 0), ROW_BYTES);
  const inOrder = LOG_COLUMNS.map(([name]) => values[name]);
  return { values: inOrder, createdAtMs, bytes, failed: values.status === 'error' };
}

/** A list of texts as PostgreSQL writes an array; null for none. */
export function arrayLiteral(texts: readonly string[]): string | null {
  if (texts.length === 0) return null;
  return `{${texts.map((text) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(',')}}`;
}

/** A row as `copy` takes it: a line, its values between tabs. */
export function copyLine({ values }: LogRow): string {
  let line = copyField(values[0]);
  for (let at = 1; at < values.length; at += 1) line += `\t${copyField(values[at])}`;
  return `${line}\n`;
}

const COPY_SPECIAL = /[\\\t\n\r]/;
const COPY_ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function copyField(value: ColumnValue | undefined): string {
  if (value === null || value === undefined) return '\\N';
  if (typeof value !== 'string') return String(value);
  return COPY_SPECIAL.test(value) ? value.replace(/[\\\t\n\r]/g, (each) => COPY_ESCAPES[each] ?? each) : value;
}
