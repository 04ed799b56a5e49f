import { SERVER_STATES } from '@app/health';
import { VERSION_STATES } from '@app/model-registry';
import { IsBoolean, IsIn, IsString } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { ListOf, Nested, Nullable, Optional } from '../http/dto';
import { ErrorBody } from '../http/error.dto';

/** A model in the body of a probe. */
@JSONSchema({ description: 'A model as probes see it.' })
export class ProbedModel {
  @JSONSchema({ description: 'Name of the model.' })
  @IsString()
  readonly name!: string;

  @JSONSchema({ description: 'The version that answers when none is named; null when none can.' })
  @Nullable()
  @IsString()
  readonly version!: string | null;

  @JSONSchema({ description: 'Where that version stands.' })
  @IsIn([...VERSION_STATES])
  readonly state!: string;

  @JSONSchema({ description: 'Whether it is loaded at start, and the server not ready without it.' })
  @IsBoolean()
  readonly pinned!: boolean;

  @JSONSchema({ description: 'Why it is not served; empty when there is nothing to say.' })
  @IsString()
  readonly reason!: string;
}

/** A part of the server in the body of a probe. */
@JSONSchema({ description: 'A part of the server as probes see it.' })
export class ProbedComponent {
  @JSONSchema({ description: 'How it is.' })
  @IsIn(['up', 'degraded', 'down'])
  readonly status!: string;

  @JSONSchema({ description: 'What is wrong; empty when nothing is.' })
  @IsString()
  readonly reason!: string;
}

/** The parts of the server in the body of a probe. */
@JSONSchema({ description: 'The parts of the server.' })
export class ProbedComponents {
  @JSONSchema({ description: 'Whether what must be served is served.' })
  @Nested(ProbedComponent)
  readonly models!: ProbedComponent;

  @JSONSchema({ description: 'Whether there are processes to run models on.' })
  @Nested(ProbedComponent)
  readonly executors!: ProbedComponent;

  @JSONSchema({
    description: 'Whether PostgreSQL answers, unless there is none. Feature-free predictions do not need it.',
  })
  @Optional()
  @Nested(ProbedComponent)
  readonly database?: ProbedComponent;

  @JSONSchema({ description: 'Only where feature views are refused: which, and why.' })
  @Optional()
  @Nested(ProbedComponent)
  readonly features?: ProbedComponent;

  @JSONSchema({ description: 'Whether Redis answers, where one is set. Predictions do not need it.' })
  @Optional()
  @Nested(ProbedComponent)
  readonly redis?: ProbedComponent;
}

/** Answer of the probes. */
@JSONSchema({ description: 'How the server is.' })
export class ProbeResponse {
  @JSONSchema({
    description: '`starting`: not yet; `degraded`: serves, but something failed; `draining`: about to stop.',
  })
  @IsIn([...SERVER_STATES])
  readonly status!: string;

  @JSONSchema({ description: 'Every model, in order of its name.' })
  @ListOf(ProbedModel)
  readonly models!: readonly ProbedModel[];

  @JSONSchema({ description: 'The parts of the server.' })
  @Nested(ProbedComponents)
  readonly components!: ProbedComponents;

  @JSONSchema({ description: 'With status 503 only: `not_ready` or `shutting_down`.' })
  @Optional()
  @Nested(ErrorBody)
  readonly error?: ErrorBody;
}
