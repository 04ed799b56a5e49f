import { spawn } from 'node:child_process';
import { buildIfStale } from './build-if-stale.mjs';

/**
 * `npm test`: builds if a source has changed, since contract, integration and e2e tests start the compiled executor, and
 * runs every suite. What stands behind `--` goes to Jest: `npm test -- libs/core`, `npm test -- --seed=42`.
 */
await buildIfStale().catch((error) => {
  console.error(error.message);
  console.log('0 passed, 1 failed');
  process.exit(1);
});
// Nest 12 is ESM: Jest can require it only with this flag.
const jest = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', ...process.argv.slice(2)];
const run = spawn(process.execPath, jest, { cwd: new URL('..', import.meta.url), stdio: 'inherit' });
run.once('exit', (code, signal) => process.exit(signal ? 1 : code));
