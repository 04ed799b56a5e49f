import { type Job, Worker } from 'bullmq';
import type { Connected } from './first-connection';
import { type QueueAddress, queueConnection } from './queue-connection';
import { CHUNK_QUEUE_NAME, type ChunkQueueData } from './queue-job';

/** Runs what the queue gives; the signal is aborted when the queue gives it to somebody else. */
export type ChunkProcessor = (data: ChunkQueueData, signal: AbortSignal) => Promise<void>;

/** What a worker of the queue is made of. */
export interface ChunkWorkerParts {
  readonly address: QueueAddress;
  /** Chunks at once. */
  readonly concurrency: number;
  readonly process: ChunkProcessor;
  /** Told of what went wrong between it and the queue. */
  readonly failed: (fault: unknown) => void;
}

/** BullMQ's Worker, as far as it is used: it takes nothing before `run`. */
export interface ChunkWorker extends Connected {
  run(): Promise<void>;
  pause(doNotWaitActive: boolean): Promise<void>;
  /** With `force` it does not wait for what runs. */
  close(force?: boolean): Promise<void>;
}

/** Far longer than anything holds up the event loop here; on PostgreSQL it is measured by the clocks of the workers. */
const LOCK_MS = 60_000;
const STALLED_EVERY_MS = 30_000;
/** Each worker that dies is one; how often a chunk may kill its worker is decided by the records. */
const MAX_STALLED = 20;

/** A worker of the queue, connecting. */
export function chunkWorker({ address, concurrency, process, failed }: ChunkWorkerParts): ChunkWorker {
  const { options, factory } = queueConnection(address, 'worker');
  const worker = new Worker(
    CHUNK_QUEUE_NAME,
    // BullMQ passes the signal only to a function of three parameters.
    (job: Job<ChunkQueueData>, _token: string | undefined, signal: AbortSignal | undefined) =>
      process(job.data, signal ?? new AbortController().signal),
    {
      ...options,
      ...{ concurrency, autorun: false },
      ...{ lockDuration: LOCK_MS, stalledInterval: STALLED_EVERY_MS, maxStalledCount: MAX_STALLED },
    },
    factory,
  );
  worker.on('error', failed);
  // A lost lock alone stops nothing: the queue may have given the chunk to somebody else.
  worker.on('lockRenewalFailed', (ids: readonly string[]) => {
    for (const id of ids) worker.cancelJob(id, 'The queue has given it to somebody else.');
  });
  return worker;
}
