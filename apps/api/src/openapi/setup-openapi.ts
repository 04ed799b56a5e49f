import type { INestApplication } from '@nestjs/common';
import { type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { ApiDocument } from './api-document';
import { buildDocument } from './document';

/**
 * Makes the OpenAPI document of an application, which `GET /openapi.json` then serves, and shows it at `/docs`, with all
 * that the page needs. Call it before the application listens.
 */
export function setupOpenApi(app: INestApplication): OpenAPIObject {
  const document = buildDocument(app);
  app.get(ApiDocument).set(document);
  SwaggerModule.setup('docs', app, document, { raw: false, customSiteTitle: 'Quayside' });
  return document;
}
