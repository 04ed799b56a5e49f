import { ArrayMaxSize, IsArray, IsBoolean, IsIn, IsInt, IsNumber, IsString, Max, Min } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { AnyRecord, AnyRecords, Nested, Optional } from '../http/dto';

/** What may be asked of a task, whether for one request or for the rows of a job. */
@JSONSchema({
  description: 'What to ask of the task for every row; a row of a model that does not know it is `unsupported_option`.',
})
export class RowOptions {
  @JSONSchema({ description: 'text-classification: how many of the best classes to give. Left out: 5.' })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(100)
  readonly top_k?: number;

  @JSONSchema({ description: 'text-classification: divides the logits; 0 gives the best class 1. Left out: 0.7.' })
  @Optional()
  @IsNumber()
  @Min(0)
  @Max(2)
  readonly temperature?: number;

  @JSONSchema({ description: 'Text tasks: cut a text that is too long (when left out), or refuse it (false).' })
  @Optional()
  @IsBoolean()
  readonly truncate?: boolean;

  @JSONSchema({ description: 'embedding: scale every vector to length 1. Left out: true.' })
  @Optional()
  @IsBoolean()
  readonly normalize?: boolean;

  @JSONSchema({ description: 'embedding: cut every vector to this many numbers, where the model allows it.' })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(65_536)
  readonly dimensions?: number;

  @JSONSchema({
    description:
      'How 64-bit integers are written: `auto` as numbers unless one of them is beyond 2^53 - 1, then all as strings; ' +
      '`string` always; `number` with all digits, for clients that read them exactly. Left out: `auto`.',
  })
  @Optional()
  @IsIn(['auto', 'string', 'number'])
  readonly int64?: 'auto' | 'string' | 'number';

  @JSONSchema({
    description: 'How NaN and infinities are written: as strings (when left out), as null, or as an error.',
  })
  @Optional()
  @IsIn(['string', 'null', 'error'])
  readonly nonfinite?: 'string' | 'null' | 'error';
}

/** What a request may ask of a task. One that the model's task does not know is refused with `unsupported_option`. */
@JSONSchema({
  description: 'What a request may ask of a task; one that the model does not know is `unsupported_option`.',
})
export class TaskOptions extends RowOptions {
  @JSONSchema({
    description:
      'Whether the answer may be that of an equal request, and may be kept for the next one. False computes it anew. ' +
      'Left out: true, where the model allows it.',
  })
  @Optional()
  @IsBoolean()
  readonly cache?: boolean;
}

/** Body of `POST /v1/models/{model}/predict`, row by row. */
@JSONSchema({ description: 'Rows of named fields; `GET /v1/models/{model}/schema` tells which.' })
export class RowsRequest {
  @JSONSchema({ description: '1 to 2,048 rows. A row that does not fit fails the call, and is named.' })
  @AnyRecords({ min: 1, max: 2048 })
  readonly rows!: readonly Readonly<Record<string, unknown>>[];

  @JSONSchema({ description: 'What to ask of the task.' })
  @Optional()
  @Nested(TaskOptions)
  readonly options?: TaskOptions;
}

/** Body of `POST /v1/models/{model}/predict`, input by input. */
@JSONSchema({ description: 'Whole inputs by name; `GET /v1/models/{model}/schema` tells which.' })
export class TensorsRequest {
  @JSONSchema({
    description:
      'Values by input name. The nesting is the shape. All inputs may leave out the batch dimension; the answer then does too.',
  })
  @AnyRecord()
  readonly inputs!: Readonly<Record<string, unknown>>;

  @JSONSchema({ description: 'Outputs wanted. Left out or empty: all.' })
  @Optional()
  @IsArray()
  @ArrayMaxSize(256)
  @IsString({ each: true })
  readonly outputs?: readonly string[];

  @JSONSchema({ description: 'What to ask of the task.' })
  @Optional()
  @Nested(TaskOptions)
  readonly options?: TaskOptions;
}

/** What both forms of the answer say. */
class Answered {
  @JSONSchema({ description: 'Name of the model.' })
  @IsString()
  readonly model!: string;

  @JSONSchema({ description: 'The version that answered.' })
  @IsString()
  readonly model_version!: string;

  @JSONSchema({ description: 'From the last byte of the request to the first of the answer, in milliseconds.' })
  @IsNumber()
  readonly latency_ms!: number;
}

/** Answer to a `RowsRequest`. */
@JSONSchema({ description: 'One output per row, in order.' })
export class RowsResponse extends Answered {
  @JSONSchema({
    description: 'One object per row, in order; its fields depend on the task.',
    items: { type: 'object' },
  })
  @IsArray()
  readonly rows!: readonly unknown[];
}

/** Answer to a `TensorsRequest`. */
@JSONSchema({ description: 'Values by output name.' })
export class TensorsResponse extends Answered {
  @JSONSchema({ description: 'Values by output name, nested as their shape.' })
  @AnyRecord()
  readonly outputs!: Readonly<Record<string, unknown>>;
}
