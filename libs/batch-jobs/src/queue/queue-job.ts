import { type ChunkDispatch, JOB_CLASSES } from '../records/job-record';
import { QUEUE_TRIES } from '../records/job-state';

/** The one queue. */
export const CHUNK_QUEUE_NAME = 'chunks';

/** All that a queue job says: which chunk to look at. The rest is in PostgreSQL. */
export interface ChunkQueueData {
  readonly jobId: string;
  readonly idx: number;
}

/** How many chunks of a class have a priority of their own: later ones share the last. */
const BAND = 2 ** 19;
const FIRST_BACKOFF_MS = 2000;
const FAILED_KEPT_SECONDS = 86_400;

/**
 * Lower runs first. Within a class the job that was served least: a new job's chunk 0 is before a huge one's chunk 500. Never 0,
 * which BullMQ runs before every prioritised job.
 */
export function chunkPriority({ class: jobClass, idx }: Pick<ChunkDispatch, 'class' | 'idx'>): number {
  return 1 + JOB_CLASSES.indexOf(jobClass) * BAND + Math.min(idx, BAND - 1);
}

/** The id of a chunk's queue job. The queue takes an id once, so that adding again is safe; another dispatch is another id. */
export function queueJobId({ jobId, idx, dispatch }: Pick<ChunkDispatch, 'jobId' | 'idx' | 'dispatch'>): string {
  return `${jobId}-${idx}-${dispatch}`;
}

/** A chunk as `Queue.addBulk` takes it. */
export function queueJobOf(chunk: ChunkDispatch) {
  const { jobId, idx } = chunk;
  return {
    name: CHUNK_QUEUE_NAME,
    data: { jobId, idx } satisfies ChunkQueueData,
    opts: {
      jobId: queueJobId(chunk),
      priority: chunkPriority(chunk),
      attempts: QUEUE_TRIES,
      backoff: { type: 'exponential', delay: FIRST_BACKOFF_MS, jitter: 0.5 },
      // A number instead would cost PostgreSQL time by what it keeps.
      removeOnComplete: true,
      removeOnFail: { age: FAILED_KEPT_SECONDS },
    },
  };
}
