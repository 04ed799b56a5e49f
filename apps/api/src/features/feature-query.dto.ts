import { Allow, ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsString } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { AnyRecords, ListOf, Nullable, Optional, OptionalNullable } from '../http/dto';

/** What an answer may tell of a feature beside its name and value. */
export const INCLUDABLE = ['status', 'source', 'event_ts', 'view'] as const;

/** Body of `POST /v1/features/query`. */
@JSONSchema({ description: 'Features by name, or a model; and the rows that they are wanted for.' })
export class FeatureQueryRequest {
  @JSONSchema({
    description: 'Features, each as `view@version:feature`, at most 1,000. Either these or `model`.',
    items: { type: 'string' },
  })
  @Optional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(1000)
  @IsString({ each: true })
  readonly features?: readonly string[];

  @JSONSchema({
    description: 'A model with stored columns, `name`, `name@version` or `name@label`: what it would see.',
  })
  @Optional()
  @IsString()
  readonly model?: string;

  @JSONSchema({
    description:
      '1 to 1,000 rows. With `features`: the join keys of their views. With `model`: rows as its predictions take them, of ' +
      'which only the keys must be there.',
  })
  @AnyRecords({ min: 1, max: 1000 })
  readonly rows!: readonly Readonly<Record<string, unknown>>[];

  @JSONSchema({
    description:
      'What to tell of each feature beside its name and value: `status`, `source`, `event_ts`, `view`. Left out: all.',
    items: { type: 'string', enum: [...INCLUDABLE] },
  })
  @Optional()
  @IsArray()
  @ArrayMaxSize(INCLUDABLE.length)
  @IsIn(INCLUDABLE, { each: true })
  readonly include?: readonly (typeof INCLUDABLE)[number][];
}

/** One feature of one row. */
@JSONSchema({ description: 'One feature, or with `model` one column.' })
export class QueriedFeature {
  @JSONSchema({ description: 'As it was asked for; with `model` the column.' })
  @IsString()
  readonly name!: string;

  @JSONSchema({
    description: 'The value, any JSON: 64-bit integers as strings where they stand alone. Null: there is none.',
  })
  @Allow()
  readonly value!: unknown;

  @JSONSchema({ description: 'What was found; null where nothing stored was wanted, and where nothing was read.' })
  @OptionalNullable()
  @IsIn(['PRESENT', 'OUTSIDE_MAX_AGE', 'NULL_VALUE', 'NOT_FOUND'])
  readonly status?: string | null;

  @JSONSchema({ description: 'With `status`: `timeout` where the read did not happen, else null.' })
  @OptionalNullable()
  @IsString()
  readonly reason?: string | null;

  @JSONSchema({
    description: 'With `status`: the code that a prediction which needs it would be refused with, else null.',
  })
  @OptionalNullable()
  @IsString()
  readonly refusal?: string | null;

  @JSONSchema({ description: 'Where the value comes from.' })
  @Optional()
  @IsIn(['request', 'store', 'default', 'transform', 'const'])
  readonly source?: string;

  @JSONSchema({ description: 'When the stored row was true, RFC 3339 in UTC; null where there is none.' })
  @OptionalNullable()
  @IsString()
  readonly event_ts?: string | null;

  @JSONSchema({ description: '`name@version` of its view; null where nothing stored was wanted.' })
  @OptionalNullable()
  @IsString()
  readonly view?: string | null;

  @JSONSchema({ description: 'With `view`: its name there.' })
  @OptionalNullable()
  @IsString()
  readonly feature?: string | null;
}

/** What is known of one row. */
@JSONSchema({ description: 'What is known of one row of the request.' })
export class QueriedRow {
  @JSONSchema({ description: 'The keys that were looked up, as they are stored.', items: { type: 'string' } })
  @IsArray()
  readonly entity_keys!: readonly string[];

  @JSONSchema({ description: 'In the order of the request; with `model` in that of its columns.' })
  @ListOf(QueriedFeature)
  readonly features!: readonly QueriedFeature[];
}

/** Answer of `POST /v1/features/query`. */
@JSONSchema({ description: 'A row per row, in order.' })
export class FeatureQueryResponse {
  @JSONSchema({ description: 'One per row of the request, in order.' })
  @ListOf(QueriedRow)
  readonly rows!: readonly QueriedRow[];

  @JSONSchema({ description: 'The model; null where features were asked for by name.' })
  @Nullable()
  @IsString()
  readonly model!: string | null;

  @JSONSchema({ description: 'The version of the model that was looked at; null where there is none.' })
  @Nullable()
  @IsString()
  readonly model_version!: string | null;
}
