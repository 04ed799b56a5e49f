// `npm run print:openapi` writes openapi.json from the controllers and DTO classes.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { buildIfStale } from './build-if-stale.mjs';

await buildIfStale();
const require = createRequire(import.meta.url);
const { NestFactory } = require('@nestjs/core');
const { parseConfig } = require('../dist/libs/config/src/index.js');
const { AppModule } = require('../dist/apps/api/src/app.module.js');
const { buildDocument } = require('../dist/apps/api/src/openapi/document.js');

// A preview knows every controller and opens nothing.
const app = await NestFactory.create(AppModule.forRoot(parseConfig({})), { preview: true, logger: false });
const path = fileURLToPath(new URL('../openapi.json', import.meta.url));
const options = { ...(await resolveConfig(path)), filepath: path };
writeFileSync(path, await format(JSON.stringify(buildDocument(app), null, 2), options));
