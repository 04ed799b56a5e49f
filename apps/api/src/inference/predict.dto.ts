import { IsInt, IsNumber, IsString, Matches, Max, Min } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { AnyRecord, ListOf, Optional, Text } from '../http/dto';

/** Body of `POST /predict`. */
@JSONSchema({ description: 'A text to classify.' })
export class PredictRequest {
  @JSONSchema({
    description: 'The text, 1 to 10,000 characters (Unicode code points). Taken as it is: nothing is trimmed.',
  })
  @Text({ min: 1, max: 10_000 })
  readonly text!: string;

  @JSONSchema({ description: 'Name of the model. Other names and chosen versions: `POST /v1/models/{model}/predict`.' })
  @IsString()
  @Matches(/^[a-z0-9-]+$/)
  readonly model_id!: string;

  @JSONSchema({ description: 'How many of the best classes to give; more than there are gives all.' })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(100)
  readonly top_k: number = 5;

  @JSONSchema({
    description: 'Divides the logits: below 1 sharpens the scores, above flattens them, 0 gives the best class 1.',
  })
  @Optional()
  @IsNumber()
  @Min(0)
  @Max(2)
  readonly temperature: number = 0.7;
}

/** One class that a text was given. */
@JSONSchema({ description: 'A class and how much it fits.' })
export class ScoredLabel {
  @JSONSchema({ description: 'Name of the class.' })
  @IsString()
  readonly label!: string;

  @JSONSchema({ description: 'From 0 to 1. Scores descend; equal ones are in the order of their index.' })
  @IsNumber()
  readonly score!: number;

  @JSONSchema({ description: '`index` of the class, `tokens` that were read, whether the text was cut (`truncated`).' })
  @AnyRecord()
  readonly metadata!: Readonly<Record<string, unknown>>;
}

/** Answer of `POST /predict`: exactly these keys. */
@JSONSchema({ description: 'The best classes of a text.' })
export class PredictResponse {
  @JSONSchema({ description: 'The best classes first, at most `top_k`.' })
  @ListOf(ScoredLabel)
  readonly predictions!: readonly ScoredLabel[];

  @JSONSchema({ description: 'From the last byte of the request to the first of the answer, in milliseconds.' })
  @IsNumber()
  readonly latency_ms!: number;

  @JSONSchema({ description: 'The version that answered.' })
  @IsString()
  readonly model_version!: string;
}
