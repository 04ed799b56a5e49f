import type { Queryable } from '@app/database';
import type { JobDatabase } from './job-database';
import type { ChunkStatus } from './job-state';

/** A chunk as it is stored. */
export interface ChunkRecord {
  readonly jobId: string;
  readonly idx: number;
  /** Index of its first row in the job's input. */
  readonly firstRow: number;
  readonly rows: number;
  readonly inputKey: string;
  readonly status: ChunkStatus;
  readonly dispatch: number;
  readonly epoch: number;
  readonly failures: number;
  readonly crashes: number;
  /** Indexes of rows, in the job's input, that a worker died of: they are never run again. */
  readonly badRows: readonly number[];
  /** The result file that counts; undefined before the first commit. */
  readonly resultKey: string | undefined;
  readonly sha256: string | undefined;
  /** What that file holds. */
  readonly okRows: number;
  readonly errRows: number;
  readonly lastError: string | undefined;
}

interface ChunkRow {
  readonly job_id: string;
  readonly idx: number;
  readonly first_row: number;
  readonly rows: number;
  readonly input_key: string;
  readonly status: ChunkStatus;
  readonly dispatch: number;
  readonly epoch: number;
  readonly failures: number;
  readonly crashes: number;
  readonly bad_rows: string;
  readonly result_key: string | null;
  readonly sha256: string | null;
  readonly ok_rows: number;
  readonly err_rows: number;
  readonly last_error: string | null;
}

/** The columns of a `ChunkRecord`, of a table that is named `c` in its statement. */
export const CHUNK_COLUMNS = (
  'job_id idx first_row rows input_key status dispatch epoch failures crashes bad_rows result_key sha256 ok_rows ' +
  'err_rows last_error'
)
  .split(' ')
  .map((column) => `c.${column}`)
  .join(', ');

/** Reads chunks with `CHUNK_COLUMNS`. */
export async function readChunks(
  db: Pick<JobDatabase, 'query'>,
  sql: string,
  params: readonly unknown[],
): Promise<readonly ChunkRecord[]> {
  return (await db.query<ChunkRow>(sql, params)).rows.map(toChunk);
}

/** A chunk whose row stays locked until the transaction ends; the row of its job is locked before. */
export async function lockChunk(tx: Queryable, jobId: string, idx: number): Promise<ChunkRecord | undefined> {
  const sql = `select ${CHUNK_COLUMNS} from job_chunk c where job_id = $1 and idx = $2 for update`;
  return (await readChunks(tx, sql, [jobId, idx]))[0];
}

function toChunk(row: ChunkRow): ChunkRecord {
  return {
    jobId: row.job_id,
    idx: row.idx,
    firstRow: row.first_row,
    rows: row.rows,
    inputKey: row.input_key,
    status: row.status,
    dispatch: row.dispatch,
    epoch: row.epoch,
    failures: row.failures,
    crashes: row.crashes,
    badRows: JSON.parse(row.bad_rows) as readonly number[],
    resultKey: row.result_key ?? undefined,
    sha256: row.sha256 ?? undefined,
    okRows: row.ok_rows,
    errRows: row.err_rows,
    lastError: row.last_error ?? undefined,
  };
}
