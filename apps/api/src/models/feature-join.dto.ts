import { JSONSchema } from 'class-validator-jsonschema';
import { Count, Nested } from '../http/dto';

/** Where a model's values came from. */
@JSONSchema({ description: 'Values that the model was given, by where they came from.' })
export class FeatureSourcesSummary {
  @Count('Given by requests.')
  readonly request!: number;

  @Count('Stored.')
  readonly store!: number;

  @Count('Defaults in the place of what was not given or not stored.')
  readonly default!: number;

  @Count('Computed.')
  readonly transform!: number;

  @Count('Constants.')
  readonly const!: number;
}

/** What was found of stored features. */
@JSONSchema({
  description: 'Stored features that were looked up, by what was found. One for which a request was refused counts too.',
})
export class FeatureStatusesSummary {
  @Count('Fresh, with a value.')
  readonly PRESENT!: number;

  @Count('Older than the view allows.')
  readonly OUTSIDE_MAX_AGE!: number;

  @Count('Fresh, without a value.')
  readonly NULL_VALUE!: number;

  @Count('Nothing was stored of the entity.')
  readonly NOT_FOUND!: number;
}

/** What was joined into the rows of a version. */
@JSONSchema({ description: "What was joined into the version's rows, since this process first did." })
export class FeatureJoinSummary {
  @JSONSchema({ description: 'Values by source.' })
  @Nested(FeatureSourcesSummary)
  readonly sources!: FeatureSourcesSummary;

  @JSONSchema({ description: 'Stored features by status.' })
  @Nested(FeatureStatusesSummary)
  readonly statuses!: FeatureStatusesSummary;

  @Count('Stored features that could not be read in time.')
  readonly timeouts!: number;

  @Count('Calls with defaults in the place of what could not be read in time.')
  readonly degraded_calls!: number;
}
