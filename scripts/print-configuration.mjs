// Prints docs/configuration.md from the table of settings. Needs a build: `nest build api`.
import { createRequire } from 'node:module';

const { printConfiguration } = createRequire(import.meta.url)('../dist/libs/config/src/index.js');
process.stdout.write(printConfiguration());
