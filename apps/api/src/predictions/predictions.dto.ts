import { Allow, IsArray, IsBoolean, IsIn, IsInt, IsNumber, IsString } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { Amount, AmountIfAny, Count, ListOf, Nested, Nullable } from '../http/dto';

/** How long the parts of a call took. */
@JSONSchema({ description: 'How long the parts of a call took, in milliseconds.' })
export class PredictionTimings {
  @Amount('Waiting for an executor.')
  readonly queue_ms!: number;

  @Amount('Joining stored features.')
  readonly enrich_ms!: number;

  @Amount('Inside the executor; 0 where none ran for this call.')
  readonly infer_ms!: number;

  @Amount('From the call to its answer.')
  readonly total_ms!: number;
}

/** What can be counted and compared of an answer. */
@JSONSchema({ description: 'What can be counted and compared of an answer.' })
export class PredictionOutcome {
  @AmountIfAny('A regression’s value, or a model’s only number.')
  readonly number!: number | null;

  @JSONSchema({ description: 'The best class.' })
  @Nullable()
  @IsString()
  readonly label!: string | null;

  @AmountIfAny('The score of the best class.')
  readonly score!: number | null;
}

/** What is known of a call, whichever of its instances is meant. */
export class LoggedCall {
  @JSONSchema({ description: 'The prediction, as in `X-Prediction-ID`.' })
  @IsString()
  readonly id!: string;

  @JSONSchema({ description: 'When the call began, RFC 3339 in UTC.' })
  @IsString()
  readonly created_at!: string;

  @JSONSchema({ description: 'The model.' })
  @IsString()
  readonly model!: string;

  @JSONSchema({ description: 'The version that answered, or failed.' })
  @IsString()
  readonly model_version!: string;

  @JSONSchema({ description: 'The hash of all that makes this version what it is.' })
  @IsString()
  readonly digest!: string;

  @JSONSchema({ description: 'The door that the call came through.' })
  @IsString()
  readonly door!: string;

  @JSONSchema({ description: 'Whether the call was answered.' })
  @IsIn(['ok', 'error'])
  readonly status!: string;

  @JSONSchema({ description: 'The code of the error; null for an answer.' })
  @Nullable()
  @IsString()
  readonly error_code!: string | null;

  @JSONSchema({ description: 'The request, as in `X-Request-ID`.' })
  @Nullable()
  @IsString()
  readonly request_id!: string | null;

  @JSONSchema({ description: 'The trace, as in `X-Trace-ID`.' })
  @Nullable()
  @IsString()
  readonly trace_id!: string | null;

  @JSONSchema({ description: 'How long its parts took.' })
  @Nested(PredictionTimings)
  readonly timings!: PredictionTimings;

  @JSONSchema({ description: 'Rows that ran together; 0 when nothing ran for this call.' })
  @IsInt()
  readonly batch_size!: number;

  @JSONSchema({ description: 'As in `X-Cache`; null where the call failed before.' })
  @Nullable()
  @IsIn(['miss', 'hit', 'joined', 'off'])
  readonly cache!: string | null;

  @JSONSchema({ description: 'Whether defaults stood in for features that could not be read in time.' })
  @IsBoolean()
  readonly degraded!: boolean;
}

/** Where one column of a model's input came from. */
@JSONSchema({ description: 'What the model was given of one column, and where that came from.' })
export class LoggedFeature {
  @JSONSchema({ description: 'The column.' })
  @IsString()
  readonly name!: string;

  @JSONSchema({ description: 'The value, any JSON; absent where it was dropped.' })
  @Allow()
  readonly value?: unknown;

  @JSONSchema({ description: 'Where it came from.' })
  @IsIn(['request', 'store', 'default', 'transform', 'const'])
  readonly source!: string;

  @JSONSchema({ description: 'What was found of the stored feature; null where none was wanted or read.' })
  @Nullable()
  @IsIn(['PRESENT', 'OUTSIDE_MAX_AGE', 'NULL_VALUE', 'NOT_FOUND'])
  readonly status!: string | null;

  @JSONSchema({ description: '`timeout` where the read did not happen.' })
  @Nullable()
  @IsString()
  readonly reason!: string | null;

  @JSONSchema({ description: '`name@version` of the view of a stored feature.' })
  @Nullable()
  @IsString()
  readonly view!: string | null;

  @JSONSchema({ description: 'The feature in that view.' })
  @Nullable()
  @IsString()
  readonly feature!: string | null;

  @JSONSchema({ description: 'When the stored row was true, RFC 3339 in UTC.' })
  @Nullable()
  @IsString()
  readonly event_ts!: string | null;
}

/** One instance of a prediction. */
@JSONSchema({ description: 'One instance: a row of the request, and what came of it.' })
export class LoggedPredictionInstance {
  @JSONSchema({ description: 'Its place in the request, from 0.' })
  @IsInt()
  readonly index!: number;

  @JSONSchema({ description: 'What the model was given, after features were joined; any JSON, null where not kept.' })
  @Allow()
  readonly inputs!: unknown;

  @JSONSchema({ description: 'What was answered; any JSON, null where not kept.' })
  @Allow()
  readonly outputs!: unknown;

  @JSONSchema({ description: 'The columns of a model with bound columns; empty for others, and where not kept.' })
  @ListOf(LoggedFeature)
  readonly features!: readonly LoggedFeature[];

  @JSONSchema({
    description: 'The entities that stored features were wanted for: `view:key`.',
    items: { type: 'string' },
  })
  @IsArray()
  readonly entity_keys!: readonly string[];

  @JSONSchema({ description: 'What can be counted and compared of the answer.' })
  @Nested(PredictionOutcome)
  readonly prediction!: PredictionOutcome;

  @JSONSchema({ description: 'The share of such rows that is logged; 1 for all.' })
  @IsNumber()
  readonly sampling_rate!: number;

  @JSONSchema({
    description:
      'What was done to it before it was written: `redacted`, `sanitized`, `truncated`, `tensors`, `nonfinite`.',
    items: { type: 'string' },
  })
  @IsArray()
  readonly flags!: readonly string[];
}

/** Answer of `GET /v1/predictions/{id}`. */
@JSONSchema({ description: 'A logged prediction with all of its instances.' })
export class LoggedPrediction extends LoggedCall {
  @JSONSchema({ description: 'Its instances that were logged, in order.' })
  @ListOf(LoggedPredictionInstance, { min: 1 })
  readonly instances!: readonly LoggedPredictionInstance[];
}

/** An item of the list. */
@JSONSchema({ description: 'One instance of a logged prediction, in short.' })
export class LoggedPredictionItem extends LoggedCall {
  @JSONSchema({ description: 'Its place in the request, from 0.' })
  @IsInt()
  readonly index!: number;

  @JSONSchema({ description: 'What can be counted and compared of the answer.' })
  @Nested(PredictionOutcome)
  readonly prediction!: PredictionOutcome;

  @JSONSchema({ description: 'The share of such rows that is logged; 1 for all.' })
  @IsNumber()
  readonly sampling_rate!: number;

  @JSONSchema({ description: 'What was done to it before it was written.', items: { type: 'string' } })
  @IsArray()
  readonly flags!: readonly string[];
}

/** Answer of `GET /v1/predictions`. */
@JSONSchema({ description: 'Instances of logged predictions, the newest first.' })
export class LoggedPredictionList {
  @JSONSchema({ description: 'Always `list`.' })
  @IsIn(['list'])
  readonly object!: 'list';

  @JSONSchema({ description: 'The instances.' })
  @ListOf(LoggedPredictionItem)
  readonly data!: readonly LoggedPredictionItem[];

  @JSONSchema({ description: 'To be sent as `cursor` for those that come next; null: there are none.' })
  @Nullable()
  @IsString()
  readonly next_cursor!: string | null;
}

/** Answer of a DELETE. */
@JSONSchema({ description: 'What was erased.' })
export class ErasedPredictions {
  @Count('Rows that were there and are gone.')
  readonly erased!: number;
}

/** Rows that were not written, by reason. */
@JSONSchema({ description: 'Rows that were lost, by reason.' })
export class DroppedRows {
  @Count('The queue was full: PostgreSQL was too slow, or away for too long.')
  readonly queue_full!: number;

  @Count('The process stopped before they could be written.')
  readonly shutdown!: number;

  @Count('They could not be encoded.')
  readonly unencodable!: number;

  @Count('Predictions are not logged, by `LOG_PREDICTIONS` or because there is no database.')
  readonly off!: number;
}

/** What waits to be written. */
@JSONSchema({ description: 'What waits to be written.' })
export class LogQueueSummary {
  @Count('Rows.')
  readonly rows!: number;

  @Count('Their bytes.')
  readonly bytes!: number;

  @Amount('How long the oldest waits; 0 when none does.')
  readonly oldest_age_ms!: number;
}

/** Answer of `GET /v1/prediction-log`. */
@JSONSchema({
  description:
    'The books of the HTTP process that answered, since it began. Rows of all calls that reached a model = written + ' +
    'dropped + rejected + sampled out + those in the queue.',
})
export class PredictionLogSummary {
  @Count('Which HTTP process answered, as `proc` in its log lines.')
  readonly process!: number;

  @Count('Rows that are in the table.')
  readonly written!: number;

  @JSONSchema({ description: 'Rows that were lost.' })
  @Nested(DroppedRows)
  readonly dropped!: DroppedRows;

  @Count('Rows that PostgreSQL refused; they are in `prediction_log_reject`.')
  readonly rejected!: number;

  @Count('Rows that the sampling of their models left out.')
  readonly sampled_out!: number;

  @Count('Attempts to write that failed, and were made again.')
  readonly failed_flushes!: number;

  @Count('Attempts that succeeded.')
  readonly flushes!: number;

  @Amount('Time that those took, in seconds.')
  readonly flush_seconds!: number;

  @JSONSchema({ description: 'What waits.' })
  @Nested(LogQueueSummary)
  readonly queue!: LogQueueSummary;
}
