import { spawn } from 'node:child_process';
import { buildIfStale } from './build-if-stale.mjs';

/**
 * `npm run test:chaos`: kills and starves the parts of a running server, and writes what happened to
 * `test/chaos/results/<date>.md`. It is slow and rough on the machine, so `npm test` leaves it out.
 */
await buildIfStale().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
const flags = ['--experimental-vm-modules', '--no-warnings'];
const options = ['--testMatch', '<rootDir>/test/chaos/**/*.chaos-spec.ts', '--runInBand', '--reporters', 'default'];
const reporters = ['--reporters', './test/jest/chaos-results.cjs', '--reporters', './test/jest/count-reporter.cjs'];
// Our options last: those that take a list would swallow a path that stands behind them.
const jest = [...flags, 'node_modules/jest/bin/jest.js', ...process.argv.slice(2), ...options, ...reporters];
const run = spawn(process.execPath, jest, { cwd: new URL('..', import.meta.url), stdio: 'inherit' });
run.once('exit', (code) => process.exit(code ?? 1));
