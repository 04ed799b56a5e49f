import { productVersion } from '@app/observability';
import { Controller, Get } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';
import { ServerDescription } from './about.dto';
import { ApiDocument } from './api-document';
import { Operation } from './operation';

/** The server and its API. */
@Controller()
export class AboutController {
  private readonly server: ServerDescription = {
    name: 'quayside',
    version: productVersion(),
    docs: '/docs',
    openapi: '/openapi.json',
    models: '/v1/models',
    health: '/health',
  };

  constructor(private readonly document: ApiDocument) {}

  /** Where things are. */
  @Get()
  @Operation('describeServer')
  describeServer(): ServerDescription {
    return this.server;
  }

  /** The OpenAPI document. */
  @Get('openapi.json')
  @Operation('describeApi')
  describeApi(): OpenAPIObject {
    return this.document.get();
  }
}
