// Prints openapi.json from the controllers and DTO classes. Needs a build: `nest build api`.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { NestFactory } = require('@nestjs/core');
const { parseConfig } = require('../dist/libs/config/src/index.js');
const { AppModule } = require('../dist/apps/api/src/app.module.js');
const { buildDocument } = require('../dist/apps/api/src/openapi/document.js');

// A preview knows every controller and opens nothing.
const app = await NestFactory.create(AppModule.forRoot(parseConfig({})), { preview: true, logger: false });
process.stdout.write(`${JSON.stringify(buildDocument(app), null, 2)}\n`);
