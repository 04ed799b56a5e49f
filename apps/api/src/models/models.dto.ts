import { DTYPES } from '@app/core';
import { TASKS, VERSION_STATES } from '@app/model-registry';
import { Equals, IsArray, IsBoolean, IsIn, IsInt, IsString } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { AnyRecord, ListOf, Nested, Nullable, Optional } from '../http/dto';

/** One input or output of a model. */
@JSONSchema({ description: 'One input or output of a model.' })
export class TensorDescription {
  @JSONSchema({ description: 'Its name in the model.' })
  @IsString()
  readonly name!: string;

  @JSONSchema({ description: 'Type of its elements, named as in the Open Inference Protocol.' })
  @IsIn([...DTYPES])
  readonly datatype!: string;

  @JSONSchema({ description: 'Its dimensions; -1 is any size.', items: { type: 'integer' } })
  @IsArray()
  readonly shape!: readonly number[];
}

/** One version of a model. */
@JSONSchema({ description: 'One version of a model.' })
export class ModelVersionDescription {
  @JSONSchema({ description: 'Name of the version.' })
  @IsString()
  readonly version!: string;

  @JSONSchema({ description: 'Where it stands. `known` is loaded by its first request.' })
  @IsIn([...VERSION_STATES])
  readonly state!: string;

  @JSONSchema({ description: 'Why it failed or is not served; empty when there is nothing to say.' })
  @IsString()
  readonly reason!: string;

  @JSONSchema({ description: 'Whether requests may name it.' })
  @IsBoolean()
  readonly served!: boolean;

  @JSONSchema({ description: 'When a failed version is tried again, in seconds since the epoch.' })
  @Optional()
  @IsInt()
  readonly next_trial_at?: number;
}

/** A model. The first four fields are those of OpenAI. */
@JSONSchema({ description: 'A model and its versions.' })
export class ModelDescription {
  @JSONSchema({ description: 'The reference that was asked for, or the name of the model.' })
  @IsString()
  readonly id!: string;

  @JSONSchema({ description: 'Always `model`.' })
  @Equals('model')
  readonly object!: 'model';

  @JSONSchema({ description: 'When its newest file was written, in seconds since the epoch.' })
  @IsInt()
  readonly created!: number;

  @JSONSchema({ description: 'Always `quayside`.' })
  @Equals('quayside')
  readonly owned_by!: 'quayside';

  @JSONSchema({ description: 'What its manifest says of it; empty when that says nothing.' })
  @IsString()
  readonly description!: string;

  @JSONSchema({ description: 'What it does; null when its files could not be read.' })
  @Nullable()
  @IsIn([...TASKS])
  readonly task!: string | null;

  @JSONSchema({ description: 'Why it has this task: its manifest says so, or what was seen in its files.' })
  @IsString()
  readonly task_reason!: string;

  @JSONSchema({ description: 'Where the version that answers stands.' })
  @IsIn([...VERSION_STATES])
  readonly state!: string;

  @JSONSchema({ description: 'Why that version failed or is not served; empty when there is nothing to say.' })
  @IsString()
  readonly reason!: string;

  @JSONSchema({ description: 'Every version, the newest last.' })
  @ListOf(ModelVersionDescription)
  readonly versions!: readonly ModelVersionDescription[];

  @JSONSchema({ description: 'Version by label.' })
  @AnyRecord()
  readonly labels!: Readonly<Record<string, string>>;

  @JSONSchema({ description: 'The version that answers when none is named; null when none can.' })
  @Nullable()
  @IsString()
  readonly default_version!: string | null;

  @JSONSchema({ description: 'What it takes, in the order of the model.' })
  @ListOf(TensorDescription)
  readonly inputs!: readonly TensorDescription[];

  @JSONSchema({ description: 'What it gives, in the order of the model.' })
  @ListOf(TensorDescription)
  readonly outputs!: readonly TensorDescription[];
}

/** Answer of `GET /v1/models`. */
@JSONSchema({ description: 'Every model.' })
export class ModelList {
  @JSONSchema({ description: 'Always `list`.' })
  @Equals('list')
  readonly object!: 'list';

  @JSONSchema({ description: 'The models, in order of their names.' })
  @ListOf(ModelDescription)
  readonly data!: readonly ModelDescription[];
}

/** JSON Schemas of a model's requests and answers. */
@JSONSchema({ description: 'JSON Schemas (draft 2020-12) for the parts of `POST /v1/models/{model}/predict`.' })
export class PredictSchemas {
  @JSONSchema({ description: 'An item of `rows` in a request.' })
  @AnyRecord()
  readonly row!: unknown;

  @JSONSchema({ description: 'An item of `rows` in an answer.' })
  @AnyRecord()
  readonly row_output!: unknown;

  @JSONSchema({ description: '`inputs` of a request.' })
  @AnyRecord()
  readonly inputs!: unknown;

  @JSONSchema({ description: '`outputs` of an answer.' })
  @AnyRecord()
  readonly outputs!: unknown;

  @JSONSchema({ description: '`options` of a request.' })
  @AnyRecord()
  readonly options!: unknown;
}

/** Answer of `GET /v1/models/{model}/schema`. */
@JSONSchema({ description: 'What a model takes and gives.' })
export class ModelSchemaResponse {
  @JSONSchema({ description: 'Name of the model.' })
  @IsString()
  readonly model!: string;

  @JSONSchema({ description: 'The version that is described.' })
  @IsString()
  readonly model_version!: string;

  @JSONSchema({ description: 'What it does.' })
  @IsIn([...TASKS])
  readonly task!: string;

  @JSONSchema({ description: 'JSON Schemas of its requests and answers.' })
  @Nested(PredictSchemas)
  readonly schemas!: PredictSchemas;
}
