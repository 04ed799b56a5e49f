import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildIfStale } from './build-if-stale.mjs';

/**
 * `node scripts/measure-fakes.mjs [runs]`: how much time a fake executor saves. Runs the suite over every door on the
 * real models and on the fake, one after the other, with an application for each test, and prints the median of what its tests took.
 */
const runs = Number(process.argv[2] ?? 5);
const root = fileURLToPath(new URL('..', import.meta.url));
const report = join(tmpdir(), `quayside-measure-${process.pid}.json`);

await buildIfStale();
const measured = { models: [], fakes: [] };
for (let run = 0; run < runs; run += 1) for (const kind of Object.keys(measured)) measured[kind].push(secondsOn(kind));
const [models, fakes] = [median(measured.models), median(measured.fakes)];
console.log(
  `on the real models ${models.toFixed(2)} s, on the fake ${fakes.toFixed(2)} s: ${(models / fakes).toFixed(1)} times`,
);

/** What the tests took together, without loading the files. */
function secondsOn(kind) {
  const options = [
    `test/e2e/all-doors-on-${kind}`,
    '--json',
    '--outputFile',
    report,
    '--silent',
    '--globals',
    '{"opensForEachTest":true}',
    '--reporters',
    'default',
  ];
  const jest = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', ...options];
  const { status, stderr } = spawnSync(process.execPath, jest, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  return tests.reduce((total, { duration }) => total + duration, 0) / 1000;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
