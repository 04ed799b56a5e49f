import { IsBoolean, IsIn, IsString } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { Amount, AmountIfAny, Count, ListOf, Nested, Nullable, Optional } from '../http/dto';
import { FeatureJoinSummary } from './feature-join.dto';
import { ModelDescription } from './models.dto';

/** Durations of one kind. */
@JSONSchema({
  description:
    'Durations of one kind. Those that begin with `recent_` are of the last minute, at most of the newest 512, and null ' +
    'where there were none in it.',
})
export class DurationSummary {
  @Count('How many, since the version was loaded.')
  readonly count!: number;

  @Amount('All of them together, since the version was loaded.')
  readonly total_ms!: number;

  @AmountIfAny('Their mean; null before the first.')
  readonly mean_ms!: number | null;

  @Count('How many in the last minute.')
  readonly recent_count!: number;

  @AmountIfAny('Half of the recent ones took no longer.')
  readonly recent_p50_ms!: number | null;

  @AmountIfAny('99 of 100 recent ones took no longer.')
  readonly recent_p99_ms!: number | null;

  @AmountIfAny('The longest of the recent ones.')
  readonly recent_max_ms!: number | null;
}

/** The calls of one priority. */
@JSONSchema({ description: 'The calls of one priority.' })
export class WaitingSummary {
  @Count('Calls that wait now for an executor, wholly or with some of their rows.')
  readonly waiting_calls!: number;

  @Count('Rows that wait now.')
  readonly waiting_rows!: number;

  @Amount('How long the oldest of the waiting calls has waited; 0 when none waits.')
  readonly oldest_wait_ms!: number;

  @JSONSchema({ description: 'What calls waited until they began to run, or until they ended without having run.' })
  @Nested(DurationSummary)
  readonly waits!: DurationSummary;
}

/** What waits for a version. */
@JSONSchema({ description: 'What waits for a version.' })
export class QueueSummary {
  @Count('Rows that may wait or run at once (`INFERENCE_QUEUE_LIMIT_ROWS`); more are refused with `overloaded`.')
  readonly limit_rows!: number;

  @JSONSchema({ description: 'Requests that somebody waits for.' })
  @Nested(WaitingSummary)
  readonly online!: WaitingSummary;

  @JSONSchema({ description: 'Work that has time, and lets the online calls go first.' })
  @Nested(WaitingSummary)
  readonly bulk!: WaitingSummary;
}

/** How calls ended. */
@JSONSchema({ description: 'How the calls ended that came as far as the queue. Answers from the cache did not.' })
export class CallCountsSummary {
  @Count('Answered.')
  readonly answered!: number;

  @Count('Refused with `overloaded`: the queue was full, or the answer could not have come in time.')
  readonly shed!: number;

  @Count('Ended with `deadline_exceeded`.')
  readonly expired!: number;

  @Count('Given up by their clients.')
  readonly cancelled!: number;

  @Count('Ended with any other error.')
  readonly failed!: number;

  @Count('Refused with `input_quarantined`: the same input had killed two executors.')
  readonly quarantined!: number;
}

/** Batches of one size. */
@JSONSchema({ description: 'Batches of one size.' })
export class BatchSizeCount {
  @Count('Rows of such a batch.')
  readonly rows!: number;

  @Count('How many there were.')
  readonly batches!: number;
}

/** Rows that may run together. */
@JSONSchema({ description: 'Rows that may run together, and how their batches fare lately.' })
export class BatchKind {
  @JSONSchema({ description: 'Whose they are.' })
  @IsIn(['online', 'bulk'])
  readonly priority!: string;

  @JSONSchema({
    description:
      'What the rows have in common: `text:64` are texts of at most about 64 tokens that the class below has no room for; ' +
      'of other inputs, the outputs that were asked for, then each input with its type and the dimensions of a row.',
  })
  @IsString()
  readonly shape!: string;

  @Count('Rows of this kind that wait now.')
  readonly waiting_rows!: number;

  @Count('The present cap: most rows of the next batch.')
  readonly max_batch_rows!: number;

  @AmountIfAny('What each further row adds to the time of a batch; null before there were five.')
  readonly per_row_ms!: number | null;

  @AmountIfAny('What a batch takes however many rows it has; null before there were five.')
  readonly per_batch_ms!: number | null;
}

/** What ran together. */
@JSONSchema({ description: 'What ran together.' })
export class BatchSummary {
  @Count('Batches that run now.')
  readonly running!: number;

  @Count('Batches that ended well.')
  readonly count!: number;

  @Count('Their rows.')
  readonly rows!: number;

  @AmountIfAny('Rows of a batch in the mean; null before the first.')
  readonly mean_rows!: number | null;

  @Count('Rows of the largest batch; 0 before the first.')
  readonly largest_rows!: number;

  @JSONSchema({ description: 'How many batches there were of each size, the smallest first.' })
  @ListOf(BatchSizeCount)
  readonly sizes!: readonly BatchSizeCount[];

  @JSONSchema({ description: 'Each kind of rows that may run together, at most 64.' })
  @ListOf(BatchKind)
  readonly kinds!: readonly BatchKind[];
}

/** Time of executors. */
@JSONSchema({ description: 'Time that the version took of the executors.' })
export class ExecutorTimeSummary {
  @JSONSchema({ description: 'Of each batch, from being handed to an executor until it came back; also of those that failed.' })
  @Nested(DurationSummary)
  readonly runs!: DurationSummary;

  @Amount('Time inside executors before the model ran, such as tokenising.')
  readonly compute_input_ms!: number;

  @Amount('Time in which the model itself ran.')
  readonly compute_infer_ms!: number;

  @Amount('Time inside executors after the model ran, such as pooling.')
  readonly compute_output_ms!: number;

  @AmountIfAny('Rows per millisecond lately while others waited; null where rows have not waited.')
  readonly rows_per_ms!: number | null;
}

/** One version under load. */
@JSONSchema({ description: 'How one version fares. All counts began when this process loaded it.' })
export class VersionStatisticsDescription {
  @JSONSchema({ description: 'Name of the version.' })
  @IsString()
  readonly version!: string;

  @JSONSchema({ description: 'Whether rows of several calls run together; null before the version was loaded.' })
  @Nullable()
  @IsBoolean()
  readonly batchable!: boolean | null;

  @JSONSchema({ description: 'Why, or why not; empty before the version was loaded.' })
  @IsString()
  readonly batching_reason!: string;

  @JSONSchema({ description: 'What waits, and how long calls waited.' })
  @Nested(QueueSummary)
  readonly queue!: QueueSummary;

  @JSONSchema({ description: 'How calls ended.' })
  @Nested(CallCountsSummary)
  readonly calls!: CallCountsSummary;

  @JSONSchema({ description: 'What ran together.' })
  @Nested(BatchSummary)
  readonly batches!: BatchSummary;

  @JSONSchema({ description: 'Time that executors gave to it.' })
  @Nested(ExecutorTimeSummary)
  readonly executor!: ExecutorTimeSummary;

  @JSONSchema({ description: 'Where its columns came from; left out for a model that looks up and computes none.' })
  @Optional()
  @Nested(FeatureJoinSummary)
  readonly features?: FeatureJoinSummary;
}

/** The executors of a process. */
@JSONSchema({ description: 'The executors of this process, which all models share.' })
export class ExecutorsDescription {
  @Count('Batches that may run at once (`EXECUTOR_COUNT`).')
  readonly concurrency!: number;

  @Count('Batches that run now, of all models.')
  readonly running_batches!: number;

  @Count('Executors that ended and were replaced.')
  readonly restarts!: number;
}

/** What is kept of a model's answers. */
@JSONSchema({
  description:
    'What the cache did for the model since this process started. Rows are counted, or calls where the rows of the model ' +
    'cannot be run apart.',
})
export class CacheDescription {
  @Count('Answered from memory or from Redis.')
  readonly hits!: number;

  @Count('Run, because no equal one was kept or under way.')
  readonly misses!: number;

  @Count('Waited for what an equal call had begun.')
  readonly joins!: number;

  @Count('Kept after a run.')
  readonly stores!: number;

  @Count('Let go to make room.')
  readonly evictions!: number;

  @Count('Let go at the end of their time.')
  readonly expiries!: number;

  @Count('In memory now.')
  readonly entries!: number;

  @Count('Bytes that they take, overhead counted.')
  readonly bytes!: number;

  @Count('Those of the hits that came from Redis.')
  readonly shared_hits!: number;

  @Count('Reads and writes that Redis refused or could not take.')
  readonly shared_errors!: number;

  @Count('Reads that Redis did not answer in time.')
  readonly shared_timeouts!: number;
}

/** How a model fares. */
@JSONSchema({ description: 'How a model fares in the HTTP process that answered; each process counts for itself.' })
export class ModelStatisticsDescription {
  @Count('The HTTP process that answered, as `proc` in its log lines.')
  readonly process!: number;

  @JSONSchema({ description: 'The executors of this process.' })
  @Nested(ExecutorsDescription)
  readonly executors!: ExecutorsDescription;

  @JSONSchema({ description: 'What is kept of its answers, all versions together.' })
  @Nested(CacheDescription)
  readonly cache!: CacheDescription;

  @JSONSchema({ description: 'Each version whose files can be read, the newest last.' })
  @ListOf(VersionStatisticsDescription)
  readonly versions!: readonly VersionStatisticsDescription[];
}

/** Answer of `GET /v1/models/{model}`. */
@JSONSchema({ description: 'A model, its versions, and how they fare.' })
export class ModelDetail extends ModelDescription {
  @JSONSchema({ description: 'How it fares now, in the HTTP process that answered.' })
  @Nested(ModelStatisticsDescription)
  readonly statistics!: ModelStatisticsDescription;
}
