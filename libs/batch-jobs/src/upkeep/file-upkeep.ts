import type { BlobStore, ListedBlob } from '@app/blob-store';
import type { Clock } from '@app/core';
import type { JobStore } from '../records/job-store';
import { removeJobFiles } from '../submission/remove-job-files';
import { probeKey } from './blob-probe';
import type { UpkeepLog } from './upkeep-log';

/** What files are looked after with. */
export interface FileUpkeepParts {
  readonly store: JobStore;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** How long a file is left alone that no row names, in milliseconds. */
  readonly orphanAgeMs: number;
  readonly log: UpkeepLog;
}

const JOBS = 'jobs/';
/** How many keys are asked about, or deleted, at once. */
const PAGE = 500;
/** How many pages of the list one round reads; the next goes on behind them. */
const PAGES_OF_A_ROUND = 20;
/** A sweep is followed by a rest of so many times what it took, so that many files do not mean much work. */
const REST_FACTOR = 20;
/** Orphans beyond these are noted once some are gone. */
const MOST_NOTED = 100_000;

/**
 * Deletes the files of jobs that are forgotten, and those that no row names. Of these it takes note when it comes by, and deletes
 * them when they have been so for `orphanAgeMs`: a download that began when they were named can end. Keeps its place in the list
 * from round to round.
 */
export class FileUpkeep {
  private forgotten: string[] = [];
  private sweep: AsyncIterator<ListedBlob> | undefined;
  private sweptForMs = 0;
  private sweepAfterMs = 0;
  /** Since when a file was seen to be an orphan, by key. */
  private noted = new Map<string, number>();
  private seen = new Map<string, number>();

  constructor(private readonly parts: FileUpkeepParts) {}

  /** The rows of these jobs are gone; their files go in the next round. One that fails leaves them to the sweep. */
  readonly forget = (jobIds: readonly string[]): void => {
    for (const id of jobIds) this.forgotten.push(id);
  };

  /** Deletes what was forgotten. Throws storage_unavailable. */
  async deleteForgotten(): Promise<void> {
    const ids = this.forgotten;
    this.forgotten = [];
    for (const id of ids) await removeJobFiles(this.parts.blobs, id);
  }

  /** Goes on with the sweep, where one is due, for a bounded number of files. Throws storage_unavailable, database_unavailable. */
  async sweepOn(): Promise<void> {
    const startedAtMs = this.parts.clock.monotonicMs();
    if (!this.sweep && startedAtMs < this.sweepAfterMs) return;
    try {
      const isOver = await this.sweepSome();
      this.sweptForMs += this.parts.clock.monotonicMs() - startedAtMs;
      if (isOver) this.restFromSweep();
    } catch (fault) {
      await this.close();
      throw fault;
    }
  }

  /** Deletes the probes of processes that died. Throws as `sweepOn` does. */
  async deleteGoneProbes(): Promise<void> {
    const { store, blobs } = this.parts;
    const gone = await store.probes.gone();
    if (gone.length === 0) return;
    await blobs.delete(gone.map(probeKey));
    for (const id of gone) await store.probes.forget(id);
  }

  /** Lets go of the list. Safe to call twice. */
  async close(): Promise<void> {
    const { sweep } = this;
    this.sweep = undefined;
    this.sweptForMs = 0;
    this.seen = new Map();
    await sweep?.return?.();
  }

  private async sweepSome(): Promise<boolean> {
    this.sweep ??= this.parts.blobs.list(JOBS)[Symbol.asyncIterator]();
    for (let pages = 0; pages < PAGES_OF_A_ROUND; pages += 1) {
      const page = await pageOf(this.sweep);
      if (page.length === 0) return true;
      await this.look(page);
    }
    return false;
  }

  private async look(page: readonly ListedBlob[]): Promise<void> {
    const { store, clock, orphanAgeMs } = this.parts;
    const orphans = new Set(await store.upkeep.orphansAmong(page.map(({ key }) => key)));
    const [now, today] = [clock.monotonicMs(), clock.epochMs()];
    const old = page.filter(({ key, modifiedAtMs }) => {
      if (!orphans.has(key)) return false;
      const since = this.noted.get(key) ?? now;
      if (this.seen.size < MOST_NOTED) this.seen.set(key, since);
      return now - since >= orphanAgeMs && today - modifiedAtMs >= orphanAgeMs;
    });
    await this.parts.blobs.delete(old.map(({ key }) => key));
    if (old.length === 0) return;
    const msg = 'Files of jobs that nobody names any more were removed.';
    this.parts.log('log', { event: 'job_files_removed', count: old.length, msg });
  }

  private restFromSweep(): void {
    this.noted = this.seen;
    this.seen = new Map();
    this.sweepAfterMs = this.parts.clock.monotonicMs() + this.sweptForMs * REST_FACTOR;
    this.sweep = undefined;
    this.sweptForMs = 0;
  }
}

async function pageOf(files: AsyncIterator<ListedBlob>): Promise<readonly ListedBlob[]> {
  const page: ListedBlob[] = [];
  while (page.length < PAGE) {
    const next = await files.next();
    if (next.done) break;
    page.push(next.value);
  }
  return page;
}
