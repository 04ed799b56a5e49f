import { ArrayMinSize, IsArray, IsBoolean, IsInt, IsNumber, IsString, Max, Min } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { Nested, Optional, Text, TextOrTexts } from '../http/dto';

/** Body of `POST /embed`. */
@JSONSchema({ description: 'One text or several, to become vectors.' })
export class EmbedRequest {
  @JSONSchema({ description: 'One text, or 1 to 2,048 texts, each of 1 to 100,000 characters (Unicode code points).' })
  @TextOrTexts({ min: 1, max: 100_000, items: 2048 })
  readonly text!: string | readonly string[];

  @JSONSchema({ description: 'The model: `name`, `name@version` or `name@label`.' })
  @Text({ min: 1, max: 129 })
  readonly model_id!: string;

  @JSONSchema({ description: 'Scale every vector to length 1.' })
  @Optional()
  @IsBoolean()
  readonly normalize: boolean = true;

  @JSONSchema({
    description: 'Cut a text that is longer than the model reads; false refuses it with `context_length_exceeded`.',
  })
  @Optional()
  @IsBoolean()
  readonly truncate: boolean = true;

  @JSONSchema({ description: 'Cut every vector to this many numbers, where the model allows it. Left out: all.' })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(65_536)
  readonly dimensions?: number;
}

/** How much of the texts was read. */
@JSONSchema({ description: 'How much of the texts was read.' })
export class EmbedUsage {
  @JSONSchema({ description: 'Tokens that the model read, special ones included.' })
  @IsInt()
  readonly tokens!: number;

  @JSONSchema({ description: 'How many of the texts were cut.' })
  @IsInt()
  readonly truncated!: number;
}

/** Answer of `POST /embed`. */
@JSONSchema({ description: 'One vector per text, in order; one text gives a list of one.' })
export class EmbedResponse {
  @JSONSchema({
    description: 'The vectors, in the order of the texts.',
    items: { type: 'array', items: { type: 'number' } },
  })
  @IsArray()
  @ArrayMinSize(1)
  readonly embeddings!: readonly (readonly number[])[];

  @JSONSchema({ description: 'Numbers in each vector.' })
  @IsInt()
  readonly dimensions!: number;

  @JSONSchema({ description: 'How much of the texts was read.' })
  @Nested(EmbedUsage)
  readonly usage!: EmbedUsage;

  @JSONSchema({ description: 'From the last byte of the request to the first of the answer, in milliseconds.' })
  @IsNumber()
  readonly latency_ms!: number;

  @JSONSchema({ description: 'The version that answered.' })
  @IsString()
  readonly model_version!: string;
}
