import type { JobQueue } from '../queue/job-queue';
import type { JobStore } from '../records/job-store';
import type { UpkeepLog } from './upkeep-log';

/** What the records are mended with. */
export interface RecordUpkeepParts {
  readonly store: JobStore;
  readonly queue: Pick<JobQueue, 'add' | 'view'>;
  /** Takes jobs whose files are to be deleted. */
  forgetFiles(jobIds: readonly string[]): void;
  readonly log: UpkeepLog;
}

/** One kind of repair: mends a page of what has fallen due. True: there may be more. */
export type Repair = () => Promise<boolean>;

/** What is found in the records of jobs, and mended. */
export class RecordUpkeep {
  constructor(private readonly parts: RecordUpkeepParts) {}

  /** Takes chunks from workers that died. Not while live ones may not have been able to say that they live. */
  readonly expireLeases: Repair = async () => {
    const chunks = await this.parts.store.upkeep.expireLeases();
    await this.parts.queue.add(chunks);
    return this.tell('warn', chunks.length, {
      event: 'job_chunks_expired',
      msg: 'Chunks of jobs were taken from workers that gave no sign of life, and are queued again.',
    });
  };

  /** Every other kind, by name, in the order of its urgency. */
  get others(): Readonly<Record<string, Repair>> {
    const { upkeep } = this.parts.store;
    return {
      due_chunks: () => this.requeueDue(),
      hopeless_chunks: () => this.giveUpHopeless(),
      cancelled_jobs: async () => (await upkeep.endCancelled()).length > 0,
      overdue_jobs: async () =>
        this.tell('log', (await upkeep.endOverdue()).length, {
          event: 'jobs_expired',
          msg: 'The deadline of jobs was over.',
        }),
      uploads: () =>
        this.forgetting(upkeep.endInterruptedUploads(), {
          event: 'job_uploads_interrupted',
          msg: 'Uploads of jobs fell silent, and were ended.',
        }),
      results: () =>
        this.forgetting(upkeep.forgetResults(), {
          event: 'job_results_removed',
          msg: 'Results of jobs were past their time.',
        }),
      old_jobs: () =>
        this.forgetting(upkeep.deleteOldJobs(), { event: 'jobs_removed', msg: 'Jobs were past their time.' }),
    };
  }

  /** A chunk that the queue did not take stays due, and one of which nobody knows is taken once anyway. */
  private async requeueDue(): Promise<boolean> {
    const { store, queue } = this.parts;
    const due = await store.upkeep.dueChunks();
    if (due.length === 0) return false;
    const { held, missing, spent } = await queue.view(due);
    const again = [...missing, ...(await store.upkeep.redispatch(spent))];
    const wereAdded = await queue.add(again);
    await store.upkeep.postpone(wereAdded ? [...held, ...missing] : held);
    const msg = 'Chunks of jobs that the queue did not have any more, or had given up, are queued again.';
    this.tell('log', wereAdded ? again.length : 0, { event: 'job_chunks_requeued', msg });
    return wereAdded;
  }

  private async giveUpHopeless(): Promise<boolean> {
    const { chunks, next } = await this.parts.store.upkeep.giveUpHopeless();
    await this.parts.queue.add(next);
    return this.tell('warn', chunks, {
      event: 'job_chunks_given_up',
      msg: 'Chunks of jobs failed too often and were given up. GET /v1/admin/dead-chunks lists them.',
    });
  }

  private async forgetting(
    ending: Promise<readonly string[]>,
    line: { readonly event: string; readonly msg: string },
  ): Promise<boolean> {
    const ids = await ending;
    this.parts.forgetFiles(ids);
    return this.tell('log', ids.length, line);
  }

  private tell(level: 'log' | 'warn', count: number, line: { readonly event: string; readonly msg: string }): boolean {
    if (count > 0) this.parts.log(level, { ...line, count });
    return count > 0;
  }
}
