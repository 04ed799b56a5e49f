const { existsSync, readFileSync, readdirSync, rmSync } = require('node:fs');
const { join } = require('node:path');

/** Short, since a socket is in it. */
const PARENT = '/tmp';
const NAME = /^quayside-jest-(\d+)$/;
const GIVE_UP_MS = 10_000;

/** Where the PostgreSQL of a test run is, if a test asks for one. */
exports.directoryOf = (runPid) => join(PARENT, `quayside-jest-${runPid}`);

/** Ends the PostgreSQL of a test run and removes its folder; does nothing where there is none. */
exports.remove = async (runPid) => {
  const directory = exports.directoryOf(runPid);
  const pidFile = join(directory, 'postgres', 'cluster', 'postmaster.pid');
  const pid = existsSync(pidFile) ? Number.parseInt(readFileSync(pidFile, 'utf8'), 10) : undefined;
  // Nothing in it is worth an orderly end.
  if (pid && isRunning(pid)) process.kill(pid, 'SIGQUIT');
  const giveUpAt = Date.now() + GIVE_UP_MS;
  while (pid && existsSync(pidFile) && isRunning(pid) && Date.now() < giveUpAt)
    await new Promise((resolve) => setTimeout(resolve, 10));
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
};

/** Removes what runs have left that were killed. */
exports.sweep = async () => {
  const runs = readdirSync(PARENT).flatMap((name) => NAME.exec(name)?.[1] ?? []);
  for (const runPid of runs.map(Number)) if (!isRunning(runPid)) await exports.remove(runPid);
};

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (fault) {
    return fault.code === 'EPERM';
  }
}
