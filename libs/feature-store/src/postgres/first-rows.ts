import { access } from 'node:fs/promises';
import type { Database } from '@app/database';
import { pushCsv } from '../csv/push-csv';
import type { FeatureViewStore } from '../rows/feature-view-store';
import type { FeatureViews } from '../views/feature-views';
import { lockFirstRows } from './feature-lock';

/** Rows that a store without any begins with. */
export interface FirstRowsSource {
  readonly view: string;
  /** A CSV file as `readCsv` takes it. */
  readonly file: string;
}

/** What fills an empty store. */
export interface FirstRowsParts {
  readonly source: FirstRowsSource | undefined;
  readonly database: Database;
  readonly store: FeatureViewStore;
  readonly views: FeatureViews;
  log(
    level: 'log' | 'warn',
    line: { readonly event: string; readonly msg: string; readonly [key: string]: unknown },
  ): void;
}

/**
 * Fills a store that was never written to, in the background once the database is there: with the rows of one file, in one of
 * the processes that share the database. Where anything is stored, of whichever view, nothing is done.
 */
export class FirstRows {
  private filling: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(private readonly parts: FirstRowsParts) {}

  /** Begins to wait for the database. */
  start(): void {
    const { source, database, views } = this.parts;
    if (!source || !views.newest(source.view)) return;
    void database.whenUp().then(() => {
      if (!this.isClosed) this.filling = this.fill(source).catch((fault: unknown) => this.tell(source, fault));
    });
  }

  /** Resolves when nothing is written any more. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.filling;
  }

  private async fill({ view, file }: FirstRowsSource): Promise<void> {
    if (!(await isThere(file))) return;
    const { database, store, views } = this.parts;
    await database.main.transaction(async (tx) => {
      await lockFirstRows(tx);
      const { rows } = await tx.query<{ used: boolean }>(IS_USED);
      if (rows[0]?.used) return;
      const wrong: number[] = [];
      const push = { view, store, views, rejected: (line: number) => void wrong.push(line), progress: () => {} };
      const { written } = await pushCsv(file, push);
      const msg = `The feature store was empty: view ${view} was filled with ${written} rows of ${file}.`;
      this.parts.log('log', { event: 'feature_rows_filled', view, rows: written, rejected: wrong.length, msg });
    });
  }

  /** Only the name of the fault: PostgreSQL's own words may quote values. */
  private tell({ view, file }: FirstRowsSource, fault: unknown): void {
    const { code, name } = fault as { readonly code?: unknown; readonly name?: unknown };
    const msg = `View ${view} could not be filled with the rows of ${file}. It is tried again at the next start.`;
    this.parts.log('warn', { event: 'feature_rows_not_filled', view, reason: String(code ?? name), msg });
  }
}

/** Whoever erases everything, or has pushed anything, is not surprised by rows. */
const IS_USED = `select exists (select from feature_online) or exists (select from feature_history)
  or exists (select from feature_push) as used`;

function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
