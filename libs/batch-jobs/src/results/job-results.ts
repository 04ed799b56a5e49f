import type { BlobStore } from '@app/blob-store';
import { QuaysideError } from '@app/core';
import type { JobStore, ResultsPlan } from '../records/job-store';
import type { JobRecord } from '../records/job-record';
import { hasEnded } from '../records/job-state';
import { readResults } from './read-results';
import { type ResultPage, resultPage } from './result-page';

/** Which result lines. */
export interface ResultsQuery {
  /** A cursor that a page of this job gave. */
  readonly after?: string | undefined;
  /** The most rows; absent: all there are. */
  readonly limit?: number | undefined;
  /** Only the lines of failed rows, of the same page. */
  readonly onlyErrors?: boolean | undefined;
}

/** Results: what is known before the first byte, and the bytes. */
export interface ResultsReading {
  readonly job: JobRecord;
  readonly page: ResultPage;
  /**
   * JSONL, one line per row in the order of the input, read as it is asked for. Throws storage_unavailable, database_unavailable,
   * and job_results_gone when they are deleted meanwhile.
   */
  readonly lines: AsyncIterable<Buffer>;
}

/** Where results are read from. */
export interface ResultsSource {
  readonly store: JobStore;
  readonly blobs: BlobStore;
}

/** The page that a query means, by what is finished at the time of the plan. Throws job_results_gone, and invalid_request for a cursor that no page gave. */
export function resultsOf(plan: ResultsPlan, query: ResultsQuery, source: ResultsSource): ResultsReading {
  const { job, endRow } = plan;
  if (job.resultsAreGone) throw resultsGone(job.id);
  const { after, limit, onlyErrors = false } = query;
  const page = resultPage({
    ...{ endRow, hasEnded: hasEnded(job.status) },
    ...(after !== undefined && { after }),
    ...(limit !== undefined && { limit }),
  });
  const range = { from: page.from, to: page.to, onlyErrors };
  return { job, page, lines: readResults(chunksOf(plan, page, source.store), range, filesOf(job, source)) };
}

/** A file that is lost while its job has results leaves rows without an answer; of a job that was deleted there is nothing to tell. */
function filesOf({ tenant, id }: JobRecord, { store, blobs }: ResultsSource): Pick<BlobStore, 'get'> {
  return {
    get: async (key) => {
      const content = await blobs.get(key);
      if (content) return content;
      const job = await store.find(tenant, id);
      if (!job || job.resultsAreGone) throw resultsGone(id);
      return undefined;
    },
  };
}

/** The chunks with rows of a page, some at a time: a job may have more of them than should be held. */
async function* chunksOf({ job, endChunk: before }: ResultsPlan, page: ResultPage, store: JobStore) {
  let from = 0;
  let row = page.from;
  while (row < page.to) {
    const chunks = await store.finishedChunks({ jobId: job.id, from, fromRow: row, before });
    yield* chunks;
    const last = chunks.at(-1);
    if (!last) return;
    [from, row] = [last.idx + 1, last.firstRow + last.rows];
  }
}

/** That a job's results are past their time. */
export function resultsGone(id: string): QuaysideError {
  return new QuaysideError('job_results_gone', `The results of ${id} are past their time, and were deleted.`);
}
