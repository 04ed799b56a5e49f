import { ChunkRunner, InferenceRows, JobStore } from '@app/batch-jobs';
import { BlobStore } from '@app/blob-store';
import { Clock } from '@app/core';
import { Database } from '@app/database';
import { InferenceService } from '@app/inference';
import { ModelRegistry } from '@app/model-registry';
import type { Door } from './door';

const UNTIL_STOPPED = new AbortController().signal;

/** Runs the chunks of a door's jobs when a test says so: what a worker does, without its process and its queue. */
export class HandWorker {
  private readonly runner: ChunkRunner;
  readonly store: JobStore;
  readonly database: Database;

  constructor({ server: { app } }: Door) {
    this.store = app.get(JobStore);
    this.database = app.get(Database);
    const clock = app.get(Clock);
    this.runner = new ChunkRunner({
      store: this.store,
      blobs: app.get(BlobStore),
      inference: new InferenceRows({
        inference: app.get(InferenceService),
        registry: app.get(ModelRegistry),
        clock,
        missingMs: 0,
      }),
      clock,
      owner: 'by hand',
      concurrency: 1,
      rowsAtOnce: 1024,
      onDefect: (fault) => {
        throw fault;
      },
    });
  }

  /** Runs chunks, those of the oldest job first, until there are no more or so many have run. */
  async run(chunks = Infinity): Promise<void> {
    for (let count = 0; count < chunks; count++) {
      const next = await this.next();
      if (!next) return;
      await this.runner.run(next.job_id, next.idx, UNTIL_STOPPED);
    }
  }

  /** Gives up the first chunk of a job that runs, as if it had failed too often. */
  async giveUp(jobId: string): Promise<void> {
    const sql =
      "update job_chunk set failures = 8, due_at = now() where job_id = $1 and idx = 0 and status = 'pending'";
    await this.database.main.query(sql, [jobId]);
    await this.store.upkeep.giveUpHopeless();
  }

  private async next(): Promise<{ readonly job_id: string; readonly idx: number } | undefined> {
    const { rows } = await this.database.main.query<{ job_id: string; idx: number }>(
      `select c.job_id, c.idx from job_chunk c join job on job.id = c.job_id
       where c.status = 'pending' and job.status in ('queued', 'running') order by c.job_id, c.idx limit 1`,
      [],
    );
    return rows[0];
  }
}
