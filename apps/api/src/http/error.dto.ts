import { ERROR_CATALOGUE, type ErrorCode } from '@app/core';
import { IsBoolean, IsIn, IsInt, IsString, Matches } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { ListOf, Nested, Nullable, Optional } from './dto';
import { type ErrorType, HTTP_ERRORS } from './http-errors';

const TYPES = [...new Set(Object.values(HTTP_ERRORS).map(({ type }) => type))].sort();

/** One offending field. */
@JSONSchema({ description: 'One offending field of the request.' })
export class ErrorField {
  @JSONSchema({
    description: 'Where it is, such as `inputs[0].shape`; `body` for the whole body, or the name of a header.',
  })
  @IsString()
  readonly field!: string;

  @JSONSchema({ description: 'What is wrong with it, such as `unknown_field` or `out_of_range`.' })
  @Matches(/^[a-z][a-z0-9_]*$/)
  readonly code!: string;

  @JSONSchema({ description: 'The same in a sentence.' })
  @IsString()
  readonly message!: string;
}

/** What is told of an error. */
@JSONSchema({ description: 'What went wrong, and whether to try again.' })
export class ErrorBody {
  @JSONSchema({ description: 'Code of the catalogue; match on it, never on the message.' })
  @IsIn(Object.keys(ERROR_CATALOGUE))
  readonly code!: ErrorCode;

  @JSONSchema({ description: 'Class of the error, for clients that handle classes rather than codes.' })
  @IsIn(TYPES)
  readonly type!: ErrorType;

  @JSONSchema({ description: 'What, which, and what to do. For people.' })
  @IsString()
  readonly message!: string;

  @JSONSchema({ description: 'The first offending field, or null.' })
  @Nullable()
  @IsString()
  readonly param!: string | null;

  @JSONSchema({ description: 'The offending fields, at most 10.' })
  @ListOf(ErrorField, { max: 10 })
  readonly details!: readonly ErrorField[];

  @JSONSchema({ description: 'The HTTP status.' })
  @IsInt()
  readonly status!: number;

  @JSONSchema({ description: 'Whether the same request may succeed later.' })
  @IsBoolean()
  readonly retryable!: boolean;

  @JSONSchema({
    description: 'When to try again, in milliseconds; null when trying again does not help.',
  })
  @Nullable()
  @IsInt()
  readonly retry_after_ms!: number | null;

  @JSONSchema({ description: 'The request, as in `X-Request-ID` and in the log.' })
  @IsString()
  readonly request_id!: string;

  @JSONSchema({ description: 'The trace, as in `X-Trace-ID`.' })
  @Matches(/^[0-9a-f]{32}$/)
  readonly trace_id!: string;

  @JSONSchema({ description: 'Where the code is explained.' })
  @IsString()
  readonly docs_url!: string;

  @JSONSchema({ description: 'With `deadline_exceeded` only: where the time went.' })
  @Optional()
  @IsIn(['queued', 'executing'])
  readonly stage?: 'queued' | 'executing';
}

/** Every answer that is not a success. */
@JSONSchema({ description: 'Every answer that is not a success has this body.' })
export class ErrorResponse {
  @JSONSchema({ description: 'What went wrong.' })
  @Nested(ErrorBody)
  readonly error!: ErrorBody;
}
