import { setImmediate } from 'node:timers/promises';
import type { Clock } from '@app/core';
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
import { type AskedRead, type FoundRows, type NamedReferences, SharedReads } from './shared-reads';

/** What the reader is made of. */
export interface PostgresReaderParts {
  /** `Database.features`, whose limits are short. */
  readonly pool: Queryable;
  readonly views: FeatureViews;
  readonly clock: Clock;
  /** The longest that any read may take, in milliseconds. */
  readonly readTimeoutMs: number;
}

/** Rows that are decoded in one turn of the event loop. */
const ROWS_PER_TURN = 500;

const TIMEOUT: FeatureRead = { kind: 'timeout' };

/**
 * Stored rows from PostgreSQL: one statement per read, over all views and entities, which reads at the same time share. Each
 * has its own deadline nevertheless.
 */
export class PostgresFeatureReader extends FeatureReader {
  private readonly reads: SharedReads;

  constructor(private readonly parts: PostgresReaderParts) {
    super();
    this.reads = new SharedReads(parts.pool, parts.clock);
  }

  override async read(wanted: readonly RowReference[], options: ReadOptions): Promise<FeatureRead> {
    const references = new Map(wanted.map((reference) => [nameOf(reference), reference]));
    if (references.size === 0) return { kind: 'rows', rows: () => undefined };
    if (options.signal?.aborted) return TIMEOUT;
    const found = await this.inTime(this.reads.ask(references), options);
    return found ? await this.toRead(references, found) : TIMEOUT;
  }

  /** What came before the deadline; undefined after it, or once the caller has left. */
  private async inTime(
    { found, leave }: AskedRead,
    { timeoutMs, signal }: ReadOptions,
  ): Promise<FoundRows | undefined> {
    const end = Promise.withResolvers<undefined>();
    const giveUp = (): void => end.resolve(undefined);
    // An answer that came while this process was busy is read before the timer counts.
    const late = (): void => void globalThis.setImmediate(giveUp);
    const timer = this.parts.clock.setTimer(Math.min(timeoutMs, this.parts.readTimeoutMs), late);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      return await Promise.race([found, end.promise]);
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', giveUp);
      leave();
      // Whoever has given up is not told of what happens afterwards.
      found.catch(() => undefined);
    }
  }

  private async toRead(references: NamedReferences, found: FoundRows): Promise<FeatureRead> {
    const rows = new Map<string, StoredRow>();
    for (const [name, { view }] of references) {
      const row = found.get(name);
      if (!row) continue;
      if (rows.size % ROWS_PER_TURN === ROWS_PER_TURN - 1) await setImmediate();
      const written = { view, eventTsUs: row.event_ts, data: row.data, codec: row.codec };
      rows.set(name, decodeRow(written, this.parts.views));
    }
    return { kind: 'rows', rows: (view, key) => rows.get(nameOf({ view, key })) };
  }
}

/** A reference as one text; a view's name has no space. */
function nameOf({ view, key }: RowReference): string {
  return `${view} ${key}`;
}
