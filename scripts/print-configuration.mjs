// `npm run print:configuration` writes docs/configuration.md from the table of settings.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { buildIfStale } from './build-if-stale.mjs';

await buildIfStale();
const { printConfiguration } = createRequire(import.meta.url)('../dist/libs/config/src/index.js');
writeFileSync(new URL('../docs/configuration.md', import.meta.url), printConfiguration());
