import type { JsonRecord } from '@app/core';
import type { PredictOptions } from '@app/inference';
import type { JobInput } from '../input/read-input';
import type { JobClass } from '../records/job-record';

/** Where a job's rows come from. */
export type SubmittedInput =
  /** They came with the options in one body of JSON, which was parsed as `parseJsonBody` does. */
  | {
      readonly rows: readonly unknown[];
      /** That body, to tell whether a repeat is the same. */
      readonly body: Uint8Array;
    }
  /** They arrive on their own, and are read as they do. */
  | { readonly stream: JobInput };

/** A job as a client submits it. */
export interface JobSubmission {
  /** `name`, `name@version` or `name@label`. */
  readonly model: string;
  /** A version or a label, where `model` has none. */
  readonly version?: string | undefined;
  readonly class: JobClass;
  /** The client's own; at most 16 KiB as JSON, without NUL. */
  readonly metadata: JsonRecord;
  /** Who is told of the end of the job. */
  readonly webhookUrl?: string | undefined;
  /** In the future, in milliseconds since the epoch. */
  readonly deadlineAtMs?: number | undefined;
  /** What becomes of a row that cannot be read: it gets an error, or nothing of the job runs. */
  readonly onInvalid: 'record' | 'reject';
  /** The largest share of failed rows, 0 to 1, looked at from 1,000 rows on. Absent: any. */
  readonly maxErrorRate?: number | undefined;
  /** A text of 1 to 255 visible characters; repeats with the same give the same job. */
  readonly idempotencyKey?: string | undefined;
  /** The field of a row that names it in the results. Absent: rows are named by their places. */
  readonly idField?: string | undefined;
  /** What every row is predicted with. */
  readonly options: PredictOptions;
  readonly input: SubmittedInput;
  /** Aborted when the client leaves: a job whose input has not arrived whole is taken back. */
  readonly signal: AbortSignal;
}
