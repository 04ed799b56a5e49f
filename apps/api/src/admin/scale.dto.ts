import { IsNumber } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';

/** Answer of `GET /internal/scale`. */
@JSONSchema({ description: 'How much work waits for workers.' })
export class WorkerScale {
  @JSONSchema({
    description:
      'How long one worker would take for every row of every job that has no answer yet, in seconds, by what each model was ' +
      'seen to do; a model that has not run is taken to do 100 rows a second. What runs now counts too.',
    minimum: 0,
  })
  @IsNumber()
  readonly backlog_seconds!: number;
}
