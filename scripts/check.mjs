import { spawn } from 'node:child_process';

/**
 * `npm run check`: everything that needs no running server. Each step's output appears only when it fails. Steps can be
 * named: `npm run check -- lint types`; `npm run check -- static` leaves the unit tests out, for those who run them anyway.
 */
const steps = {
  format: ['prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'],
  lint: ['eslint/bin/eslint.js', '--max-warnings', '0', '.'],
  arrows: ['dependency-cruiser/bin/dependency-cruiser.mjs', '--config', '.dependency-cruiser.cjs', 'apps', 'libs'],
  types: ['typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json'],
  unit: ['jest/bin/jest.js', '--testPathPatterns', '(apps|libs)/.*\\.spec\\.ts$'],
};

const asked = process.argv
  .slice(2)
  .flatMap((name) => (name === 'static' ? ['format', 'lint', 'arrows', 'types'] : [name]));
const unknown = asked.filter((name) => !(name in steps));
if (unknown.length > 0) {
  console.error(`No step ${unknown.join(', ')}. Steps: ${Object.keys(steps).join(', ')}, static.`);
  process.exit(1);
}
for (const name of asked.length > 0 ? asked : Object.keys(steps)) {
  if (!(await runStep(name))) process.exitCode = 1;
}

async function runStep(name) {
  const beganAt = performance.now();
  const [program, ...options] = steps[name];
  // Nest 12 is ESM: Jest can require it only with the first flag.
  const flags = ['--experimental-vm-modules', '--no-warnings'];
  const step = spawn(process.execPath, [...flags, `node_modules/${program}`, ...options], {
    cwd: new URL('..', import.meta.url),
  });
  const output = [];
  step.stdout.on('data', (chunk) => output.push(chunk));
  step.stderr.on('data', (chunk) => output.push(chunk));
  const code = await new Promise((resolve) => step.once('close', resolve));
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'}  ${name}  ${((performance.now() - beganAt) / 1000).toFixed(1)} s`);
  if (code !== 0) process.stdout.write(Buffer.concat(output));
  return code === 0;
}
