import { IsIn, IsInt, IsString } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { AmountIfAny, AnyRecord, Count, ListOf, Nested, Nullable } from '../http/dto';

/** Every state of a job, as clients see it. */
export const JOB_STATES = [
  'validating',
  'queued',
  'running',
  'cancelling',
  'succeeded',
  'failed',
  'cancelled',
  'expired',
] as const;

/** What a job runs. */
@JSONSchema({ description: 'The version that runs every row. It was fixed when the job was submitted.' })
export class JobModel {
  @JSONSchema({ description: 'Name of the model.' })
  @IsString()
  readonly name!: string;

  @JSONSchema({ description: 'The version.' })
  @IsString()
  readonly version!: string;

  @JSONSchema({ description: 'The hash of all that makes this version what it is.' })
  @IsString()
  readonly digest!: string;
}

/** Rows by what became of them. */
@JSONSchema({ description: 'Rows. Once the total is known, the other three add up to it.' })
export class JobCounts {
  @JSONSchema({ description: 'All rows; null while they are being read.' })
  @Nullable()
  @IsInt()
  readonly total!: number | null;

  @Count('Rows with an output.')
  readonly succeeded!: number;

  @Count('Rows with an error.')
  readonly failed!: number;

  @JSONSchema({ description: 'Rows without an answer; null while they are being read.' })
  @Nullable()
  @IsInt()
  readonly remaining!: number | null;
}

/** How far a job is. */
@JSONSchema({ description: 'How far it is.' })
export class JobProgress {
  @AmountIfAny('Share of the rows that have an answer, in percent; 100 only when all have. Null while they are read.')
  readonly percent!: number | null;

  @AmountIfAny('How many rows were answered a second in this attempt; null until that is known.')
  readonly rows_per_second!: number | null;

  @JSONSchema({ description: 'When it will have ended at that rate, in seconds from now; null where nobody can tell.' })
  @Nullable()
  @IsInt()
  readonly eta_seconds!: number | null;
}

/** Why a job, or a row that it shows, failed. */
@JSONSchema({ description: 'What went wrong.' })
export class JobFault {
  @JSONSchema({ description: 'A code; match on it, never on the message.' })
  @IsString()
  readonly code!: string;

  @JSONSchema({ description: 'What, which, and what to do. For people.' })
  @IsString()
  readonly message!: string;
}

/** A failed row. */
@JSONSchema({ description: 'One of the first rows that failed.' })
export class JobErrorSample {
  @Count('Its place in the input, from 0.')
  readonly index!: number;

  @JSONSchema({ description: 'Its id: what the input says, else `r` and its place.' })
  @IsString()
  readonly id!: string;

  @JSONSchema({ description: 'What went wrong.' })
  @Nested(JobFault)
  readonly error!: JobFault;
}

/** Where to go from a job. */
@JSONSchema({ description: 'Paths on this server.' })
export class JobLinks {
  @JSONSchema({ description: 'The job.' })
  @IsString()
  readonly self!: string;

  @JSONSchema({ description: 'Its results.' })
  @IsString()
  readonly results!: string;
}

/** A job, whichever route shows it. */
@JSONSchema({ description: 'A job.' })
export class Job {
  @JSONSchema({ description: 'Its id.' })
  @IsString()
  readonly id!: string;

  @JSONSchema({ description: 'Always `job`.' })
  @IsIn(['job'])
  readonly object!: 'job';

  @JSONSchema({
    description:
      '`validating` while rows are read, `queued` until the first of them runs, `running`; `cancelling` before `cancelled`. ' +
      '`succeeded`: every row has an answer, be it an error; `failed`: the job as a whole went wrong, see `error`; ' +
      '`expired`: its deadline passed.',
  })
  @IsIn(JOB_STATES)
  readonly status!: (typeof JOB_STATES)[number];

  @Count('Rises with every change; the same as in `ETag`.')
  readonly version!: number;

  @Count('1, and one more with each retry. What ends one attempt is final.')
  readonly attempt!: number;

  @JSONSchema({ description: 'Which jobs go first.' })
  @IsIn(['high', 'normal', 'low'])
  readonly priority!: 'high' | 'normal' | 'low';

  @JSONSchema({ description: 'What it runs.' })
  @Nested(JobModel)
  readonly model!: JobModel;

  @JSONSchema({ description: 'What its submitter noted.' })
  @AnyRecord()
  readonly metadata!: Readonly<Record<string, unknown>>;

  @JSONSchema({ description: 'Rows by what became of them.' })
  @Nested(JobCounts)
  readonly counts!: JobCounts;

  @JSONSchema({ description: 'How far it is.' })
  @Nested(JobProgress)
  readonly progress!: JobProgress;

  @JSONSchema({ description: 'When it was submitted, RFC 3339 in UTC.' })
  @IsString()
  readonly created_at!: string;

  @JSONSchema({ description: 'When its first rows ran.' })
  @Nullable()
  @IsString()
  readonly started_at!: string | null;

  @JSONSchema({ description: 'When its attempt ended.' })
  @Nullable()
  @IsString()
  readonly finished_at!: string | null;

  @JSONSchema({ description: 'When it expires if it has not ended.' })
  @Nullable()
  @IsString()
  readonly deadline_at!: string | null;

  @JSONSchema({ description: 'Until when its results are kept; null until it ends.' })
  @Nullable()
  @IsString()
  readonly results_expire_at!: string | null;

  @JSONSchema({ description: 'Why the job as a whole failed.' })
  @Nullable()
  @Nested(JobFault)
  readonly error!: JobFault | null;

  @JSONSchema({ description: 'The first rows that failed, at most 20, by index.' })
  @ListOf(JobErrorSample, { max: 20 })
  readonly sample_errors!: readonly JobErrorSample[];

  @JSONSchema({ description: 'Where to go from here.' })
  @Nested(JobLinks)
  readonly links!: JobLinks;
}

/** Answer of `GET /v1/jobs`. */
@JSONSchema({ description: 'Jobs, the newest first.' })
export class JobList {
  @JSONSchema({ description: 'Always `list`.' })
  @IsIn(['list'])
  readonly object!: 'list';

  @JSONSchema({ description: 'The jobs.' })
  @ListOf(Job)
  readonly data!: readonly Job[];

  @JSONSchema({ description: 'To be sent as `after` for those that come next; null: there are none.' })
  @Nullable()
  @IsString()
  readonly next_cursor!: string | null;
}

/** Answer of `DELETE /v1/jobs/{id}`. */
@JSONSchema({ description: 'What was deleted.' })
export class DeletedJob {
  @JSONSchema({ description: 'The id that the job had.' })
  @IsString()
  readonly id!: string;

  @JSONSchema({ description: 'Always `job`.' })
  @IsIn(['job'])
  readonly object!: 'job';

  @JSONSchema({ description: 'Always true.' })
  @IsIn([true])
  readonly deleted!: true;
}

/** A part of a job that was given up. */
@JSONSchema({ description: 'A part of a job that was given up. Its rows are `chunk_failed` until the job is retried.' })
export class DeadChunk {
  @JSONSchema({ description: 'The job.' })
  @IsString()
  readonly job_id!: string;

  @Count('Its place among the parts of the job, from 0.')
  readonly index!: number;

  @Count('Index of its first row.')
  readonly first_row!: number;

  @Count('How many rows it has.')
  readonly rows!: number;

  @Count('How often it could not be run, because of something that seemed to pass.')
  readonly failures!: number;

  @Count('How often its worker died or fell silent.')
  readonly crashes!: number;

  @JSONSchema({ description: 'What went wrong last; null where every worker just died.' })
  @Nullable()
  @IsString()
  readonly last_error!: string | null;
}

/** Answer of `GET /v1/admin/dead-chunks`. */
@JSONSchema({ description: 'Parts of jobs that were given up.' })
export class DeadChunkList {
  @JSONSchema({ description: 'Always `list`.' })
  @IsIn(['list'])
  readonly object!: 'list';

  @JSONSchema({ description: 'The parts, of the oldest job first.' })
  @ListOf(DeadChunk)
  readonly data!: readonly DeadChunk[];

  @JSONSchema({ description: 'To be sent as `after` for those that come next; null: there are none.' })
  @Nullable()
  @IsString()
  readonly next_cursor!: string | null;
}
