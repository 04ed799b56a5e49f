import { ArrayMaxSize, IsArray, IsIn, IsInt, IsNumber, IsString, Max, Min } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { AnyRecord, Nested, Optional, Text } from '../http/dto';
import { RowOptions } from '../inference/model-predict.dto';
import { JOB_STATES } from './jobs.dto';

/** What a submitter says of a job, in the body beside the rows, or in the query where the body is rows alone. */
export class JobSettings {
  @JSONSchema({
    description:
      'The model: `name`, `name@version` or `name@label`. In the query it says that the body is rows, which are read as they come.',
    example: 'banking-intents',
  })
  @Text({ min: 1, max: 200 })
  readonly model!: string;

  @JSONSchema({ description: 'A version or label of the model. Left out: the one that is served by default.' })
  @Optional()
  @Text({ min: 1, max: 200 })
  readonly version?: string;

  @JSONSchema({
    description:
      'The field of a row that has its id, a text of up to 256 characters or a number. Left out: `r` and its place.',
  })
  @Optional()
  @Text({ min: 1, max: 256 })
  readonly id_field?: string;

  @JSONSchema({
    description:
      'Which jobs go first. `high` goes before all others, and is taken only while the server listens on loopback. Left out: normal.',
  })
  @Optional()
  @IsIn(['high', 'normal', 'low'])
  readonly priority?: 'high' | 'normal' | 'low';

  @JSONSchema({ description: 'Anything to find the job by: an object of at most 16 KiB. In the query as JSON.' })
  @Optional()
  @AnyRecord()
  readonly metadata?: Readonly<Record<string, unknown>>;

  @JSONSchema({ description: 'Where a message is posted when the job has ended.' })
  @Optional()
  @Text({ min: 1, max: 2048 })
  readonly webhook_url?: string;

  @JSONSchema({
    description: 'When the job expires if it has not ended: RFC 3339 with `Z` or an offset, in the future.',
  })
  @Optional()
  @IsString()
  readonly deadline?: string;

  @JSONSchema({
    description:
      'What becomes of a row that cannot be read: an error of its own (`record`, when left out), or the job is refused (`reject`).',
  })
  @Optional()
  @IsIn(['record', 'reject'])
  readonly on_invalid?: 'record' | 'reject';

  @JSONSchema({
    description:
      'The job fails once more than this share of its rows have failed, 0 to 1; looked at from 1,000 answered rows on. Left out: never.',
  })
  @Optional()
  @IsNumber()
  @Min(0)
  @Max(1)
  readonly max_error_rate?: number;

  @JSONSchema({ description: 'What to ask of the task for every row. In the query as JSON.' })
  @Optional()
  @Nested(RowOptions)
  readonly options?: RowOptions;
}

/** Body of `POST /v1/jobs` as one JSON object. */
@JSONSchema({ description: 'A job with its rows. Larger ones are streamed: see `model` in the query.' })
export class JobRequest extends JobSettings {
  @JSONSchema({
    description:
      'Rows of named fields; `GET /v1/models/{model}/schema` tells which. One that does not fit gets an error.',
    items: {},
  })
  @IsArray()
  @ArrayMaxSize(10_000_000)
  readonly rows!: readonly unknown[];
}

/** Query of `GET /v1/jobs`. */
export class JobListQuery {
  @JSONSchema({ description: 'Only jobs in this state.' })
  @Optional()
  @IsIn(JOB_STATES)
  readonly status?: (typeof JOB_STATES)[number];

  @JSONSchema({ description: 'Only of this model.', example: 'banking-intents' })
  @Optional()
  @Text({ min: 1, max: 200 })
  readonly model?: string;

  @JSONSchema({ description: 'How many at most. Left out: 20.' })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(100)
  readonly limit: number = 20;

  @JSONSchema({ description: '`next_cursor` of the page before.' })
  @Optional()
  @Text({ min: 1, max: 100 })
  readonly after?: string;
}

/** Query of `GET /v1/jobs/{id}`. */
export class JobQuery {
  @JSONSchema({
    description:
      'How many seconds to wait for a change: from the version in `If-None-Match` on, or from that of now. A job that has ended is not waited for.',
  })
  @Optional()
  @IsInt()
  @Min(0)
  @Max(60)
  readonly wait: number = 0;
}

/** Query of `GET /v1/jobs/{id}/results`. */
export class JobResultsQuery {
  @JSONSchema({ description: '`X-Next-Cursor` of the page before. Left out: from the first row on.' })
  @Optional()
  @Text({ min: 1, max: 100 })
  readonly after?: string;

  @JSONSchema({ description: 'Of how many rows at most, failed and other ones. Left out: all there are.' })
  @Optional()
  @IsInt()
  @Min(1)
  readonly limit?: number;

  @JSONSchema({ description: '`errors`: only the lines of failed rows.' })
  @Optional()
  @IsIn(['errors'])
  readonly only?: 'errors';
}

/** Query of `GET /v1/admin/dead-chunks`. */
export class DeadChunksQuery {
  @JSONSchema({ description: 'How many at most. Left out: 50.' })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(500)
  readonly limit: number = 50;

  @JSONSchema({ description: '`next_cursor` of the page before.' })
  @Optional()
  @Text({ min: 1, max: 100 })
  readonly after?: string;
}
