import { Allow, IsArray, IsIn, IsInt, IsString } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { AnyRecord, Count, ListOf, Nested, Nullable, Optional } from '../http/dto';
import { ErrorField } from '../http/error.dto';

/** One row of a push. */
@JSONSchema({ description: 'The values of one entity at one moment.' })
export class PushedRow {
  @JSONSchema({ description: 'The join keys, by name.' })
  @AnyRecord()
  readonly entities!: Readonly<Record<string, unknown>>;

  @JSONSchema({
    description: 'When the values were true: RFC 3339 with `Z` or an offset, at most 5 minutes ahead.',
    example: '2026-11-24T10:15:30Z',
  })
  @Allow()
  readonly event_ts!: unknown;

  @JSONSchema({
    description:
      'Values by feature, of any version of the view. One that is left out, or null, has no value afterwards.',
  })
  @AnyRecord()
  readonly features!: Readonly<Record<string, unknown>>;
}

/** Body of `POST /v1/feature-views/{view}/rows`. */
@JSONSchema({ description: 'Rows of one view.' })
export class PushRowsRequest {
  @JSONSchema({ description: '1 to 10,000 rows.' })
  @ListOf(PushedRow, { min: 1, max: 10_000 })
  readonly rows!: readonly PushedRow[];

  @JSONSchema({
    description:
      '`all_or_nothing`: one bad row refuses the push. `partial`: bad rows are told, the others are written.',
  })
  @Optional()
  @IsIn(['all_or_nothing', 'partial'])
  readonly mode: 'all_or_nothing' | 'partial' = 'all_or_nothing';

  @JSONSchema({
    description:
      'A UUID. For seven days the same one gives the first result and changes nothing. Left out: one is made.',
  })
  @Optional()
  @IsString()
  readonly push_id?: string;
}

/** A row that was not taken. */
@JSONSchema({ description: 'A row that was not taken.' })
export class RejectedPushRow {
  @JSONSchema({ description: 'Its place in the request, from 0.' })
  @IsInt()
  readonly index!: number;

  @JSONSchema({ description: 'What is wrong with it.' })
  @ListOf(ErrorField)
  readonly details!: readonly ErrorField[];
}

/** Answer of `POST /v1/feature-views/{view}/rows`. */
@JSONSchema({ description: 'What became of the rows: `written`, `skipped_older` and `rejected` are all of them.' })
export class PushRowsResponse {
  @JSONSchema({ description: 'The push, as it was sent or made.' })
  @IsString()
  readonly push_id!: string;

  @Count('Rows that are now what is read.')
  readonly written!: number;

  @Count('Rows older than what is stored, or than another one of the push. They are in the history only.')
  readonly skipped_older!: number;

  @JSONSchema({ description: 'Rows that were not taken; always empty with `all_or_nothing`.' })
  @ListOf(RejectedPushRow)
  readonly rejected!: readonly RejectedPushRow[];
}

/** Answer of the erasure of an entity. */
@JSONSchema({ description: 'What was erased of the entity; 0 where nothing was stored.' })
export class ErasedEntity {
  @Count('Rows that reads saw: 0 or 1.')
  readonly online!: number;

  @Count('Rows of its history.')
  readonly history!: number;
}

/** A join key. */
@JSONSchema({ description: 'A join key of the view.' })
export class FeatureViewEntity {
  @JSONSchema({ description: 'Its name.' })
  @IsString()
  readonly name!: string;

  @JSONSchema({ description: 'Its type.' })
  @IsString()
  readonly dtype!: string;
}

/** One version, in short. */
@JSONSchema({ description: 'A version of the view.' })
export class FeatureViewVersionItem {
  @JSONSchema({ description: 'Its number.' })
  @IsInt()
  readonly version!: number;

  @JSONSchema({ description: 'SHA-256 in hex of what never changes under this number.' })
  @IsString()
  readonly content_hash!: string;

  @JSONSchema({ description: 'Versions of models that pin it, `name@version`.', items: { type: 'string' } })
  @IsArray()
  readonly models!: readonly string[];
}

/** What is stored of a view. */
class StoredOfView {
  @JSONSchema({ description: 'The view.' })
  @IsString()
  readonly name!: string;

  @JSONSchema({ description: 'The join keys, the same in all versions, sorted by name.' })
  @ListOf(FeatureViewEntity)
  readonly entities!: readonly FeatureViewEntity[];

  @Count('Entities that have a row; all versions read the same ones.')
  readonly rows!: number;

  @JSONSchema({ description: 'The latest `event_ts` of them, RFC 3339 in UTC; null where there is none.' })
  @Nullable()
  @IsString()
  readonly newest_event_ts!: string | null;
}

/** Answer of `GET /v1/feature-views/{view}`. */
@JSONSchema({ description: 'A feature view with its versions.' })
export class FeatureViewDescription extends StoredOfView {
  @JSONSchema({ description: 'Its versions, the oldest first.' })
  @ListOf(FeatureViewVersionItem)
  readonly versions!: readonly FeatureViewVersionItem[];
}

/** Answer of `GET /v1/feature-views`. */
@JSONSchema({ description: 'The feature views that are declared.' })
export class FeatureViewList {
  @JSONSchema({ description: 'Always `list`.' })
  @IsIn(['list'])
  readonly object!: 'list';

  @JSONSchema({ description: 'The views, in order of their names.' })
  @ListOf(FeatureViewDescription)
  readonly data!: readonly FeatureViewDescription[];
}

/** One feature of a version. */
@JSONSchema({ description: 'A feature of the version.' })
export class FeatureDescription {
  @JSONSchema({ description: 'Its name.' })
  @IsString()
  readonly name!: string;

  @JSONSchema({ description: 'Its type, the same in all versions.' })
  @IsString()
  readonly dtype!: string;

  @JSONSchema({ description: 'Of an array; null for a single value.', items: { type: 'integer' } })
  @Nullable()
  @IsArray()
  readonly shape!: readonly number[] | null;

  @JSONSchema({
    description: 'What stands in for a value that is not there, as it is stored; null where nothing does.',
  })
  @Allow()
  readonly default!: unknown;

  @JSONSchema({ description: 'What is done where there is no value.' })
  @IsIn(['default', 'error', 'nan'])
  readonly on_missing!: string;

  @JSONSchema({ description: 'What is done about a value that is older than `max_age`.' })
  @IsIn(['missing', 'default', 'serve', 'error'])
  readonly on_stale!: string;

  @JSONSchema({ description: 'What is done when the read did not come in time.' })
  @IsIn(['error', 'defaults'])
  readonly on_timeout!: string;

  @JSONSchema({ description: 'What the prediction log keeps of it: `keep`, `drop`, `mask`, `hash` or `truncate(n)`.' })
  @IsString()
  readonly pii!: string;
}

/** How long rows are kept. */
@JSONSchema({ description: 'How long rows are kept; null: for ever.' })
export class FeatureViewRetention {
  @JSONSchema({ description: 'What reads see, after its event.' })
  @Nullable()
  @IsString()
  readonly online!: string | null;

  @JSONSchema({ description: 'The history, after its arrival.' })
  @Nullable()
  @IsString()
  readonly history!: string | null;
}

/** Answer of `GET /v1/feature-views/{view}/versions/{version}`. */
@JSONSchema({ description: 'One version of a feature view: its schema, and who pins it.' })
export class FeatureViewVersionDescription extends StoredOfView {
  @JSONSchema({ description: 'Its number.' })
  @IsInt()
  readonly version!: number;

  @JSONSchema({ description: 'SHA-256 in hex of what never changes under this number.' })
  @IsString()
  readonly content_hash!: string;

  @JSONSchema({ description: 'How old a row may be, such as `7d`; null: never stale.' })
  @Nullable()
  @IsString()
  readonly max_age!: string | null;

  @JSONSchema({ description: 'Its features, sorted by name.' })
  @ListOf(FeatureDescription)
  readonly features!: readonly FeatureDescription[];

  @JSONSchema({ description: 'How long rows are kept.' })
  @Nested(FeatureViewRetention)
  readonly retention!: FeatureViewRetention;

  @JSONSchema({ description: 'Whose view it is; null where nobody says.' })
  @Nullable()
  @IsString()
  readonly owner!: string | null;

  @JSONSchema({ description: 'A sentence for people; null where there is none.' })
  @Nullable()
  @IsString()
  readonly description!: string | null;

  @JSONSchema({ description: 'Versions of models that pin it, `name@version`.', items: { type: 'string' } })
  @IsArray()
  readonly models!: readonly string[];
}
