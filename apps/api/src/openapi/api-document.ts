import { type INestApplication, Injectable, type OnModuleInit } from '@nestjs/common';
import { type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { buildDocument } from './document';

/** The OpenAPI document of the application, and the page that shows it. */
@Injectable()
export class ApiDocument implements OnModuleInit {
  private app: INestApplication | undefined;
  private document: OpenAPIObject | undefined;

  /** Takes the application, which Nest gives to nobody; call it before the application starts. */
  describe(app: INestApplication): void {
    this.app = app;
  }

  /** The document. It does not change while the application runs. */
  get(): OpenAPIObject {
    if (!this.app) throw new Error('ApiDocument.describe() has not been called.');
    this.document ??= buildDocument(this.app);
    return this.document;
  }

  /**
   * Mounts the page, with all that it needs. Nest calls this when its middleware is mounted and the handler for unknown
   * paths is not, so the page is served under the same rules as every route.
   */
  onModuleInit(): void {
    if (!this.app) return;
    SwaggerModule.setup('docs', this.app, this.get(), { raw: false, customSiteTitle: 'Quayside' });
  }
}
