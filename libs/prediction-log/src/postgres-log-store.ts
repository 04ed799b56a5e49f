import { isQuaysideError } from '@app/core';
import type { DatabasePool } from '@app/database';
import type { LogPartitions } from './log-partitions';
import { LOG_COLUMNS, type LogRow, valuesOf } from './log-row';
import type { LogStore, StoreOutcome } from './log-store';

const COPY = `copy prediction_log (${LOG_COLUMNS.map(([name]) => name).join(', ')}) from stdin`;

/** Lists of texts travel as one text each, since `unnest` would flatten lists of lists. */
const travels = (type: string): string => (type.endsWith('[]') ? 'text' : type);

const INSERT = `
  insert into prediction_log (${LOG_COLUMNS.map(([name]) => name).join(', ')})
  select ${LOG_COLUMNS.map(([name, type]) => (type.endsWith('[]') ? `r.${name}::${type}` : `r.${name}`)).join(', ')}
  from unnest(${LOG_COLUMNS.map(([, type], at) => `$${at + 1}::${travels(type)}[]`).join(', ')})
    as r(${LOG_COLUMNS.map(([name]) => name).join(', ')})
  on conflict do nothing`;

const REJECT = `
  insert into prediction_log_reject (id, row_index, created_at, reason, content) values ($1, $2, $3, $4, $5)
  on conflict do nothing`;

/** No partition takes the row. No other constraint of the table is a check. */
const NO_PARTITION = '23514';
/** What the values of a row bring about: data that does not fit (22), a constraint (23), a limit of the server (54). */
const POISON = /^(22|23|54)/;

/**
 * Rows to PostgreSQL: a `copy` per batch, which costs two thirds of an insert but knows no `on conflict`. A batch that it refuses,
 * since a row is there already or does not fit, is inserted, and halved until the rows are found that are the reason.
 */
export class PostgresLogStore implements LogStore {
  constructor(
    private readonly pool: DatabasePool,
    private readonly partitions: LogPartitions,
  ) {}

  /** Throws what PostgreSQL says where it is no row's fault, database_unavailable among it. */
  async insert(rows: readonly LogRow[]): Promise<StoreOutcome> {
    const lines = Buffer.concat(rows.map(({ line }) => line));
    try {
      await this.write(rows, () => this.pool.copyIn(COPY, lines));
      return { written: rows.length, rejected: 0 };
    } catch (fault) {
      if (!POISON.test(sqlStateOf(fault))) throw fault;
      return this.insertEach(rows);
    }
  }

  /** All rows that are not there yet, but those that do not fit. */
  private async insertEach(rows: readonly LogRow[]): Promise<StoreOutcome> {
    const values = rows.map(valuesOf);
    const columns = LOG_COLUMNS.map((_, at) => values.map((row) => row[at]));
    try {
      await this.write(rows, () => this.pool.query(INSERT, columns));
      return { written: rows.length, rejected: 0 };
    } catch (fault) {
      const state = sqlStateOf(fault);
      if (!POISON.test(state)) throw fault;
      return rows.length === 1 ? this.reject(rows[0], state) : this.insertHalves(rows);
    }
  }

  /** Makes the partitions of the rows where one is missing, and tries once more. */
  private async write(rows: readonly LogRow[], run: () => Promise<unknown>): Promise<void> {
    await run().catch(async (fault: unknown) => {
      if (sqlStateOf(fault) !== NO_PARTITION) throw fault;
      await this.partitions.make(rows.map(({ createdAtMs }) => createdAtMs));
      await run();
    });
  }

  private async insertHalves(rows: readonly LogRow[]): Promise<StoreOutcome> {
    const middle = Math.ceil(rows.length / 2);
    const first = await this.insertEach(rows.slice(0, middle));
    const second = await this.insertEach(rows.slice(middle));
    return { written: first.written + second.written, rejected: first.rejected + second.rejected };
  }

  /** The message of PostgreSQL may quote values; its code does not. */
  private async reject(row: LogRow, state: string): Promise<StoreOutcome> {
    const values = valuesOf(row);
    const named = Object.fromEntries(LOG_COLUMNS.map(([name], at) => [name, values[at]]));
    await this.pool.query(REJECT, [
      named['id'],
      named['row_index'],
      named['created_at'],
      state,
      Buffer.from(JSON.stringify(named)),
    ]);
    return { written: 0, rejected: 1 };
  }
}

/** The five characters by which PostgreSQL says what went wrong; empty for what it did not say. */
export function sqlStateOf(fault: unknown): string {
  const { code } = (fault ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' && !isQuaysideError(fault) ? code : '';
}

/**
 * Why rows are not written, for the log. Only codes: PostgreSQL's own words may quote values. What lies behind
 * database_unavailable stands beside it, such as 53100 for a full disk.
 */
export function reasonOf(fault: unknown): string {
  const { code, cause, name } = Object(fault) as Readonly<Record<'code' | 'cause' | 'name', unknown>>;
  const codes = [String(code ?? name), sqlStateOf(cause)];
  return codes.filter((text) => text !== '').join(': ');
}
