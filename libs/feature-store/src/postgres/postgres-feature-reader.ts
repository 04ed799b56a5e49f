import { type Clock, isQuaysideError } from '@app/core';
import type { Queryable } from '@app/database';
import {
  type FeatureRead,
  FeatureReader,
  type ReadOptions,
  type RowReference,
  type StoredRow,
} from '../rows/feature-reader';
import { decodeRow } from '../rows/stored-row';
import type { FeatureViews } from '../views/feature-views';
import { ReadGate } from './read-gate';

/** What the reader is made of. */
export interface PostgresReaderParts {
  /** `Database.features`, whose limits are short. */
  readonly pool: Queryable;
  readonly views: FeatureViews;
  readonly clock: Clock;
  /** The longest that any read may take, in milliseconds. */
  readonly readTimeoutMs: number;
}

const READ = `
  select wanted.place::int, row.event_ts, row.data, row.codec
  from unnest($1::text[], $2::text[]) with ordinality as wanted(view, key, place)
  join feature_view on feature_view.name = wanted.view
  join feature_online as row on row.view_id = feature_view.id and row.entity_key = wanted.key`;

interface OnlineRow {
  readonly place: number;
  readonly event_ts: bigint;
  readonly data: string;
  readonly codec: number;
}

const TIMEOUT: FeatureRead = { kind: 'timeout' };

/** Stored rows from PostgreSQL: one statement per read, over all views and entities. */
export class PostgresFeatureReader extends FeatureReader {
  private readonly gate: ReadGate;

  constructor(private readonly parts: PostgresReaderParts) {
    super();
    this.gate = new ReadGate(parts.clock);
  }

  override async read(wanted: readonly RowReference[], options: ReadOptions): Promise<FeatureRead> {
    const references = [...new Map(wanted.map((reference) => [nameOf(reference), reference])).values()];
    if (references.length === 0) return { kind: 'rows', rows: () => undefined };
    if (options.signal?.aborted || !this.gate.enter()) return TIMEOUT;
    const found = await this.inTime(
      this.query(references).finally(() => this.gate.leave()),
      options,
    );
    if (found) this.gate.succeed();
    // A caller that left says nothing about the database.
    else if (!options.signal?.aborted) this.gate.timeOut();
    return found ? this.toRead(references, found) : TIMEOUT;
  }

  /** Undefined when the database is away or too slow for its own limits. */
  private async query(references: readonly RowReference[]): Promise<readonly OnlineRow[] | undefined> {
    const views = references.map(({ view }) => view);
    const keys = references.map(({ key }) => key);
    try {
      return (await this.parts.pool.query<OnlineRow>(READ, [views, keys])).rows;
    } catch (error) {
      if (isQuaysideError(error) && error.code === 'database_unavailable') return undefined;
      throw error;
    }
  }

  /** What came before the deadline; undefined after it, or once the caller has left. */
  private async inTime<T>(work: Promise<T | undefined>, { timeoutMs, signal }: ReadOptions): Promise<T | undefined> {
    const end = Promise.withResolvers<undefined>();
    const giveUp = (): void => end.resolve(undefined);
    // An answer that came while this process was busy is read before the timer counts.
    const late = (): void => void setImmediate(giveUp);
    const timer = this.parts.clock.setTimer(Math.min(timeoutMs, this.parts.readTimeoutMs), late);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      return await Promise.race([work, end.promise]);
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', giveUp);
      // Whoever has given up is not told of what happens afterwards.
      work.catch(() => undefined);
    }
  }

  private toRead(references: readonly RowReference[], found: readonly OnlineRow[]): FeatureRead {
    const rows = new Map<string, StoredRow>();
    for (const row of found) {
      const reference = references[row.place - 1];
      if (!reference) continue;
      const written = { view: reference.view, eventTsUs: row.event_ts, data: row.data, codec: row.codec };
      rows.set(nameOf(reference), decodeRow(written, this.parts.views));
    }
    return { kind: 'rows', rows: (view, key) => rows.get(nameOf({ view, key })) };
  }
}

/** A reference as one text; a view's name has no space. */
function nameOf({ view, key }: RowReference): string {
  return `${view} ${key}`;
}
