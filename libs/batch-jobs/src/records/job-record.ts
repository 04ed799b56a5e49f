import type { JsonRecord } from '@app/core';
import type { JobDatabase } from './job-database';
import type { JobStatus } from './job-state';

/** Who goes first: strictly by class, and within one the job that was served least. */
export type JobClass = 'high' | 'normal' | 'low';

/** In the order in which they run; its place is what the table holds. */
export const JOB_CLASSES = ['high', 'normal', 'low'] as const satisfies readonly JobClass[];

/** Why a job failed, or a row of it. */
export interface JobFault {
  readonly code: string;
  readonly message: string;
}

/** A failed row that a job shows. */
export interface SampleError {
  readonly index: number;
  readonly id: string;
  readonly error: JobFault;
}

/** A job as it is stored. Times are milliseconds since the epoch, by the database's clock. */
export interface JobRecord {
  readonly id: string;
  /** Whose it is; empty where there are no tenants. */
  readonly tenant: string;
  readonly status: JobStatus;
  /** 1, and one more with each retry. */
  readonly attempt: number;
  /** Rises with every change that a client can see. */
  readonly version: number;
  readonly class: JobClass;
  readonly model: string;
  readonly modelVersion: string;
  readonly digest: string;
  /** What every row is predicted with. */
  readonly params: JsonRecord;
  readonly metadata: JsonRecord;
  /** Rows; undefined while the input is read. Equals `succeeded + failed + remaining`. */
  readonly total: number | undefined;
  readonly succeeded: number;
  readonly failed: number;
  readonly remaining: number | undefined;
  /** Rows that were answered when this attempt began, for its rate. */
  readonly answeredBefore: number;
  readonly chunks: number;
  readonly chunksDone: number;
  readonly enqueuedTo: number;
  readonly bodyHash: string | undefined;
  readonly maxErrorRate: number | undefined;
  readonly webhookUrl: string | undefined;
  /** When the record was read. */
  readonly readAtMs: number;
  readonly createdAtMs: number;
  readonly startedAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
  readonly deadlineAtMs: number | undefined;
  readonly cancelRequestedAtMs: number | undefined;
  readonly resultsExpireAtMs: number | undefined;
  /** Whether the results are past their time. */
  readonly resultsAreGone: boolean;
  readonly error: JobFault | undefined;
  /** At most 20, by index. */
  readonly sampleErrors: readonly SampleError[];
}

/** What a client asked for, before a row was read. */
export interface NewJob {
  readonly tenant: string;
  readonly class: JobClass;
  readonly model: string;
  readonly modelVersion: string;
  readonly digest: string;
  readonly params: JsonRecord;
  /** Must hold no NUL, which jsonb refuses. */
  readonly metadata: JsonRecord;
  readonly idempotencyKey?: string;
  readonly maxErrorRate?: number;
  readonly webhookUrl?: string;
  readonly deadlineAtMs?: number;
}

/** What the queue is told about a chunk: of equal ones it takes the first. */
export interface ChunkDispatch {
  readonly jobId: string;
  readonly idx: number;
  readonly dispatch: number;
  readonly class: JobClass;
}

interface JobRow {
  readonly id: string;
  readonly tenant: string;
  readonly status: JobStatus;
  readonly attempt: number;
  readonly version: number;
  readonly class: number;
  readonly model: string;
  readonly model_version: string;
  readonly digest: string;
  readonly params: string;
  readonly metadata: string;
  readonly total: number | null;
  readonly succeeded: number;
  readonly failed: number;
  readonly answered_before: number;
  readonly chunks: number;
  readonly chunks_done: number;
  readonly enqueued_to: number;
  readonly body_hash: string | null;
  readonly max_error_rate: number | null;
  readonly webhook_url: string | null;
  readonly read_at: bigint;
  readonly created_at: bigint;
  readonly started_at: bigint | null;
  readonly finished_at: bigint | null;
  readonly deadline_at: bigint | null;
  readonly cancel_requested_at: bigint | null;
  readonly results_expire_at: bigint | null;
  readonly results_are_gone: boolean;
  readonly error: string | null;
  readonly sample_errors: string;
}

/** The columns of a `JobRecord`, of a table that is named `job` in its statement. */
export const JOB_COLUMNS = [
  ...'id tenant status attempt version class model model_version digest params metadata total succeeded failed'.split(
    ' ',
  ),
  ...'answered_before chunks chunks_done enqueued_to body_hash max_error_rate webhook_url created_at started_at'.split(
    ' ',
  ),
  ...'finished_at deadline_at cancel_requested_at results_expire_at error sample_errors'.split(' '),
]
  .map((column) => `job.${column}`)
  .concat('(job.results_removed or coalesce(job.results_expire_at <= now(), false)) as results_are_gone')
  .concat('now() as read_at')
  .join(', ');

/** Reads jobs with `JOB_COLUMNS`; `rest` is what follows the columns. */
export async function readJobs(
  db: Pick<JobDatabase, 'query'>,
  rest: string,
  params: readonly unknown[],
): Promise<readonly JobRecord[]> {
  return (await db.query<JobRow>(`select ${JOB_COLUMNS} ${rest}`, params)).rows.map(toRecord);
}

/** Changes one job and gives it as it is then; `set` is one SQL assignment or more. */
export async function updateJob(
  db: Pick<JobDatabase, 'query'>,
  { id, set, params = [] }: { readonly id: string; readonly set: string; readonly params?: readonly unknown[] },
): Promise<JobRecord> {
  const sql = `update job set ${set} where id = $1 returning ${JOB_COLUMNS}`;
  const { rows } = await db.query<JobRow>(sql, [id, ...params]);
  if (!rows[0]) throw new Error(`Job ${id} is gone.`);
  return toRecord(rows[0]);
}

function toRecord(row: JobRow): JobRecord {
  const { total, succeeded, failed } = row;
  return {
    id: row.id,
    tenant: row.tenant,
    status: row.status,
    attempt: row.attempt,
    version: row.version,
    class: classOf(row.class),
    model: row.model,
    modelVersion: row.model_version,
    digest: row.digest,
    params: JSON.parse(row.params) as JsonRecord,
    metadata: JSON.parse(row.metadata) as JsonRecord,
    total: total ?? undefined,
    succeeded,
    failed,
    remaining: total === null ? undefined : total - succeeded - failed,
    answeredBefore: row.answered_before,
    chunks: row.chunks,
    chunksDone: row.chunks_done,
    enqueuedTo: row.enqueued_to,
    bodyHash: row.body_hash ?? undefined,
    maxErrorRate: row.max_error_rate ?? undefined,
    webhookUrl: row.webhook_url ?? undefined,
    readAtMs: millis(row.read_at) ?? 0,
    createdAtMs: millis(row.created_at) ?? 0,
    startedAtMs: millis(row.started_at),
    finishedAtMs: millis(row.finished_at),
    deadlineAtMs: millis(row.deadline_at),
    cancelRequestedAtMs: millis(row.cancel_requested_at),
    resultsExpireAtMs: millis(row.results_expire_at),
    resultsAreGone: row.results_are_gone,
    error: row.error === null ? undefined : (JSON.parse(row.error) as JobFault),
    sampleErrors: JSON.parse(row.sample_errors) as readonly SampleError[],
  };
}

/** The class that a number of the table stands for. */
export function classOf(place: number): JobClass {
  const found = JOB_CLASSES[place];
  if (!found) throw new Error(`There is no class ${place}.`);
  return found;
}

/** A time of the database, in milliseconds. */
function millis(micros: bigint | null): number | undefined {
  return micros === null ? undefined : Number(micros / 1000n);
}

/** What the rows of a statement say about chunks to be queued. */
export interface DispatchRow {
  readonly job_id: string;
  readonly idx: number;
  readonly dispatch: number;
  readonly class: number;
}

/** A chunk to be queued, as a statement gave it. */
export function toDispatch(row: DispatchRow): ChunkDispatch {
  return { jobId: row.job_id, idx: row.idx, dispatch: row.dispatch, class: classOf(row.class) };
}
