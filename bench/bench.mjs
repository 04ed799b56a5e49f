// `npm run bench`: runs the profiles that were named, or all, against the other sides, and writes
// bench/results/<date>-<commit>.json (every sample) and bench/results/latest.md. docs/benchmarks.md tells how to read it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildIfStale } from '../scripts/build-if-stale.mjs';
import { literalsFile } from './corpus.mjs';
import { ClosedLoop } from './load/closed-loop.mjs';
import { HELP, readOptions } from './options.mjs';
import { ServerProcess } from './processes.mjs';
import { PROFILES } from './profiles.mjs';
import { writeResults } from './results.mjs';
import { ONLY_BY_NAME, Sides, hasRedis, installPeers, peerVersions } from './sides.mjs';

const PEERS = new Set(['fastapi', 'flask']);
const BUSY_LOAD = 0.5;
const root = fileURLToPath(new URL('..', import.meta.url));
const tell = (line) => console.error(line);

async function main() {
  const options = readOptions(process.argv.slice(2));
  const names = options.profiles.length > 0 ? options.profiles : Object.keys(PROFILES);
  const unknown = names.filter((name) => !Object.hasOwn(PROFILES, name));
  if (options.help || unknown.length > 0) return help(unknown);
  await ClosedLoop.assertInstalled();
  warnOfOthers();
  await buildIfStale({ onBuild: () => tell('Building Quayside ...') });
  const needsPeers = names.some((name) =>
    PROFILES[name].sides.some((side) => PEERS.has(side) && isWanted(side, options)),
  );
  const peersMissing = needsPeers ? installPeers() : undefined;
  const skipped = peersMissing ? [{ says: `the peers, since they cannot be installed here. ${peersMissing}` }] : [];
  if (peersMissing) tell(`\n*** SKIPPED: the peers. ${peersMissing}\n`);
  const run = {
    when: new Date().toISOString(),
    commit: commit(),
    machine: machine(needsPeers && !peersMissing),
    options,
    skipped,
  };
  const scratch = mkdtempSync(join(tmpdir(), 'quayside-bench-'));
  try {
    await measure({
      run,
      names,
      scratch,
      mayRun: (side) => isWanted(side, options) && !(peersMissing && PEERS.has(side)),
    });
  } finally {
    await ServerProcess.stopAll();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Runs one profile after another, and keeps what there is after each. */
async function measure({ run, names, scratch, mayRun }) {
  const corpusFile = join(scratch, 'corpus.jsonl');
  writeFileSync(corpusFile, literalsFile());
  const loop = new ClosedLoop({ corpusFile });
  const { options, skipped } = run;
  const starter = new Sides({ scratch, options });
  const samples = [];
  let tables;
  for (const [index, profile] of names.entries()) {
    const sides = PROFILES[profile].sides.filter(mayRun);
    try {
      samples.push(...(await PROFILES[profile].run({ profile, sides, starter, loop, scratch, options, tell })));
    } catch (error) {
      // A void profile must not cost the others, but never passes unseen.
      skipped.push({ profile, says: `${profile}, void: ${error.message.split('\n')[0]}` });
      tell(`\n*** VOID: ${profile}. ${error.stack}\n`);
      process.exitCode = 1;
    }
    tables = writeResults({ ...run, profiles: names.slice(0, index + 1), samples });
  }
  console.log(tables);
}

function isWanted(side, { sides }) {
  return sides === undefined ? !ONLY_BY_NAME.has(side) : sides.includes(side);
}

function commit() {
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'apps', 'libs', 'package-lock.json') !== '';
  return git('rev-parse', '--short', 'HEAD') + (changed ? '-changed' : '');
}

function machine(withPeers) {
  const versions = withPeers ? peerVersions() : [];
  return [
    `${availableParallelism()} cores of ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`,
    `load of the machine before the run: ${loadavg()[0].toFixed(2)}`,
    ...(withPeers
      ? [
          `${versions.join(', ')}; ${hasRedis() ? 'answers cached in process and in Redis' : 'no Redis here: answers cached in process only'}`,
        ]
      : []),
  ];
}

function warnOfOthers() {
  if (loadavg()[0] > BUSY_LOAD) tell(`The machine is busy (load ${loadavg()[0].toFixed(2)}): figures will be noisy.`);
}

function help(unknown) {
  if (unknown.length > 0) {
    console.error(`There is no profile ${unknown.join(', ')}.\n`);
    process.exitCode = 2;
  }
  const profiles = Object.entries(PROFILES).map(([name, { shows }]) => `  ${name.padEnd(14)} ${shows}`);
  console.log([HELP, '', 'Profiles (without a name: all):', '', ...profiles].join('\n'));
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => void ServerProcess.stopAll().then(() => process.exit(130)));
}
await main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
