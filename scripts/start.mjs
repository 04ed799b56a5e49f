// `npm start`: checks the engine, builds when a source is newer than the last build, and serves from this very process,
// so that signals reach the server directly.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const LEAST_NODE = [24, 9];

/** Undefined, or one sentence that says what to do first. */
function obstacle() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])) {
    const needed = `It needs Node ${LEAST_NODE.join('.')} or newer, and this is ${process.versions.node}`;
    return `${needed}: install Node 24, then run npm start again.`;
  }
  const packages = fileURLToPath(new URL('../node_modules/@nestjs/core', import.meta.url));
  return existsSync(packages) ? undefined : 'Its packages are not installed: run npm ci, then npm start again.';
}

async function start() {
  const { buildIfStale } = await import('./build-if-stale.mjs');
  await buildIfStale({ onBuild: () => console.error('Building Quayside, which takes some seconds ...') });
  await import('../dist/apps/api/src/main.js');
}

const sentence = obstacle();
if (sentence === undefined) {
  await start().catch((error) => {
    console.error(`Quayside cannot start. ${error.message}`);
    process.exit(1);
  });
} else {
  console.error(`Quayside cannot start. ${sentence}`);
  process.exitCode = 1;
}
