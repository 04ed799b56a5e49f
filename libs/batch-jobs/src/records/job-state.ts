/**
 * Where a job stands. `validating → queued → running → succeeded | failed | cancelled | expired`, with `cancelling` before
 * `cancelled`. `moveJob` alone moves it; what ends one attempt is final, and only a retry begins the next.
 */
export type JobStatus =
  /** Its input is being read. Ends with the last row, with a cancel, or when the upload falls silent. */
  | 'validating'
  /** All of it is stored, and no chunk has run in this attempt. Ends with the first claim. */
  | 'queued'
  /** Chunks run. Ends with the last of them, or before with a cancel, the deadline or too many errors. */
  | 'running'
  /** A cancel came: no chunk starts. Ends when the last running one has stopped. */
  | 'cancelling'
  /** Every row has an answer, be it an error. */
  | 'succeeded'
  /** The job as a whole went wrong; `error` says why. */
  | 'failed'
  /** Stopped by its client; what was finished stays. */
  | 'cancelled'
  /** Stopped by its deadline; what was finished stays. */
  | 'expired';

/** Where a chunk stands. `pending ⇄ running → done`, `pending → dead`; a retry makes `done` and `dead` pending again. */
export type ChunkStatus =
  /** Waits for a worker. Ends with a claim, or dead after too many failures. */
  | 'pending'
  /** A worker has it, until its lease is over. */
  | 'running'
  /** Its result file counts. */
  | 'done'
  /** Given up: its unanswered rows are `chunk_failed`. */
  | 'dead';

const ENDS = ['succeeded', 'failed', 'cancelled', 'expired'] as const satisfies readonly JobStatus[];

const JOB_MOVES: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  validating: ['queued', 'cancelling', 'failed'],
  // To `succeeded` where there is no row at all.
  queued: ['running', 'cancelling', 'succeeded', 'failed', 'expired'],
  running: ['cancelling', 'succeeded', 'failed', 'expired'],
  cancelling: ['cancelled'],
  succeeded: ['queued'],
  failed: ['queued'],
  cancelled: ['queued'],
  expired: ['queued'],
};

const CHUNK_MOVES: Readonly<Record<ChunkStatus, readonly ChunkStatus[]>> = {
  pending: ['running', 'dead'],
  running: ['pending', 'done'],
  done: ['pending'],
  dead: ['pending'],
};

/** Every state of a job. */
export const JOB_STATUSES = Object.keys(JOB_MOVES) as readonly JobStatus[];

/** A job's new state. Throws where there is no such move: that is a defect. */
export function jobMove(from: JobStatus, to: JobStatus): JobStatus {
  if (!JOB_MOVES[from].includes(to)) throw new Error(`A job does not go from ${from} to ${to}.`);
  return to;
}

/** Both halves of an UPDATE that moves chunks, for a table named `c`. Throws where there is no such move. */
export function chunkMove(from: ChunkStatus, to: ChunkStatus): { readonly set: string; readonly where: string } {
  if (!CHUNK_MOVES[from].includes(to)) throw new Error(`A chunk does not go from ${from} to ${to}.`);
  return { set: `status = '${to}'`, where: `c.status = '${from}'` };
}

/** Whether an attempt has ended. */
export function hasEnded(status: JobStatus): boolean {
  return (ENDS as readonly JobStatus[]).includes(status);
}

/** Whether what a worker commits still counts. */
export function takesResults(status: JobStatus): boolean {
  return status === 'running' || status === 'cancelling';
}

/** From how many answered rows on the share of errors is looked at. */
const ERROR_RATE_FROM_ROWS = 1000;

/** What decides where a job goes after a chunk of it has ended or stopped. */
export interface JobStanding {
  readonly status: JobStatus;
  readonly succeeded: number;
  readonly failed: number;
  readonly chunks: number;
  readonly chunksDone: number;
  /** The largest share of failed rows, 0 to 1; undefined: any. */
  readonly maxErrorRate: number | undefined;
  /** Whether a chunk of it runs. */
  readonly runs: boolean;
}

/** Where a job goes after a chunk of it has ended or stopped; undefined: it goes on. */
export function jobAfterChunk(job: JobStanding): 'succeeded' | 'failed' | 'cancelled' | undefined {
  if (job.status === 'cancelling') return job.runs ? undefined : 'cancelled';
  if (hasTooManyErrors(job)) return 'failed';
  return job.chunksDone === job.chunks ? 'succeeded' : undefined;
}

function hasTooManyErrors({ succeeded, failed, maxErrorRate }: JobStanding): boolean {
  const answered = succeeded + failed;
  return maxErrorRate !== undefined && answered >= ERROR_RATE_FROM_ROWS && failed / answered > maxErrorRate;
}

/** After so many failures, or deaths of its worker, a chunk is given up. */
export const CHUNK_TRIES = 8;
/** The queue tries so often by itself; then the reconciler gives the chunk to it anew. */
export const QUEUE_TRIES = 3;
const LONGEST_WAIT_FACTOR = 16;

/** How long after its n-th failure a chunk is looked at, as a multiple of the usual wait: doubled each time the queue gave up. */
export function waitFactor(failures: number): number {
  return Math.min(LONGEST_WAIT_FACTOR, 2 ** Math.floor(failures / QUEUE_TRIES));
}
