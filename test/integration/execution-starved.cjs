/** Starts a pool when no file descriptor is left, gives them back once it has failed, and prints what became of it. */
const { closeSync, openSync } = require('node:fs');
const { ChildProcessExecutor } = require('../../dist/libs/inference/src/execution/child-process-executor.js');

const [, , modelDirectory, entryPath] = process.argv;
const taken = [];
try {
  for (;;) taken.push(openSync('/dev/null'));
} catch {
  // Enough for the files that the start itself reads, not for the sockets of a process.
  for (let spare = 0; spare < 4; spare += 1) closeSync(taken.pop());
}
const timings = { respawnMs: [0, 100] };
const options = { concurrency: 1, modelDirectory, probeDirectory: modelDirectory, entryPath, timings };
const executor = new ChildProcessExecutor(options);
const idle = () => executor.status().slots.filter(({ state }) => state === 'idle').length;

const watch = setInterval(async () => {
  if (executor.status().restarts >= 4) while (taken.length > 0) closeSync(taken.pop());
  if (idle() < 2) return;
  clearInterval(watch);
  await executor.close();
  console.log('recovered');
}, 20);
