// Prints docs/configuration.md from the table of settings.
import { createRequire } from 'node:module';
import { buildIfStale } from './build-if-stale.mjs';

await buildIfStale();
const { printConfiguration } = createRequire(import.meta.url)('../dist/libs/config/src/index.js');
process.stdout.write(printConfiguration());
