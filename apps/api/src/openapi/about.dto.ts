import { IsString } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';

/** Answer of `GET /`. */
@JSONSchema({ description: 'The server, and the paths to start from.' })
export class ServerDescription {
  @JSONSchema({ description: 'Always `quayside`.' })
  @IsString()
  readonly name!: string;

  @JSONSchema({ description: 'Version of the server.' })
  @IsString()
  readonly version!: string;

  @JSONSchema({ description: 'The API to read and try.' })
  @IsString()
  readonly docs!: string;

  @JSONSchema({ description: 'The API as an OpenAPI document.' })
  @IsString()
  readonly openapi!: string;

  @JSONSchema({ description: 'Which models there are.' })
  @IsString()
  readonly models!: string;

  @JSONSchema({ description: 'How the server is.' })
  @IsString()
  readonly health!: string;
}
