import { Allow, IsString } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { Count, ListOf, Nested, Nullable, Optional } from '../http/dto';
import { ErrorField } from '../http/error.dto';

/** Why a row has no output. */
@JSONSchema({ description: 'Why a row has no output.' })
export class ResultError {
  @JSONSchema({ description: 'Code of the catalogue; match on it, never on the message.' })
  @IsString()
  readonly code!: string;

  @JSONSchema({ description: 'What, which, and what to do. For people.' })
  @IsString()
  readonly message!: string;

  @JSONSchema({ description: 'The first offending field, or null.' })
  @Nullable()
  @IsString()
  readonly param!: string | null;

  @JSONSchema({ description: 'The offending fields.' })
  @ListOf(ErrorField)
  readonly details!: readonly ErrorField[];
}

/** A line of `GET /v1/jobs/{id}/results`. */
@JSONSchema({ description: 'A row’s result: either `output` or `error`.' })
export class ResultLine {
  @Count('Its place in the input, from 0.')
  readonly index!: number;

  @JSONSchema({ description: 'Its id: what the input says, else `r` and its place.' })
  @IsString()
  readonly id!: string;

  @JSONSchema({ description: 'What the model gave; as a row of the answer of `POST /v1/models/{model}/predict`.' })
  @Optional()
  @Allow()
  readonly output?: unknown;

  @JSONSchema({ description: 'Why there is no output.' })
  @Optional()
  @Nested(ResultError)
  readonly error?: ResultError;
}
