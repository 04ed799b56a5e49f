// Starts an app of Quayside in this very process, so that signals reach it directly: checks the engine, and builds when a source
// is newer than the last build.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const LEAST_NODE = [24, 9];

/**
 * Runs the built entry of `app`. `who` begins the sentence of what keeps it from starting, and `command` is what to run again
 * then.
 */
export async function startApp({ app, who, command }) {
  const sentence = obstacle(command);
  if (sentence !== undefined) {
    console.error(`${who} cannot start. ${sentence}`);
    process.exitCode = 1;
    return;
  }
  try {
    const { buildIfStale } = await import('./build-if-stale.mjs');
    await buildIfStale({ onBuild: () => console.error('Building Quayside, which takes some seconds ...') });
    await import(`../dist/apps/${app}/src/main.js`);
  } catch (error) {
    console.error(`${who} cannot start. ${error.message}`);
    process.exit(1);
  }
}

/** Undefined, or one sentence that says what to do first. */
function obstacle(command) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])) {
    const needed = `It needs Node ${LEAST_NODE.join('.')} or newer, and this is ${process.versions.node}`;
    return `${needed}: install Node 24, then run ${command} again.`;
  }
  const packages = fileURLToPath(new URL('../node_modules/@nestjs/core', import.meta.url));
  return existsSync(packages) ? undefined : `Its packages are not installed: run npm ci, then ${command} again.`;
}
