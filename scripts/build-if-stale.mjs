import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const sources = ['apps', 'libs', 'tsconfig.json', 'nest-cli.json', 'package-lock.json'];
const built = join(root, 'dist');
const stamp = join(built, '.built');
// Beside `dist` and not inside the lock's folder: the paths in source maps count the folders up to the root.
const next = join(root, 'dist.next');
const lock = join(root, '.build');

/**
 * Builds `dist` when a source is newer than the last build, or always with `{ force: true }`. `onBuild` is called before
 * a build begins. Throws when it fails.
 */
export async function buildIfStale({ force = false, onBuild = () => {} } = {}) {
  if (!force && !isStale()) return;
  onBuild();
  await withLock(() => {
    // Another run may have built while this one waited for its turn.
    if (force || isStale()) build();
  });
}

function isStale() {
  return !existsSync(stamp) || sources.some((path) => newestMs(join(root, path)) > statSync(stamp).mtimeMs);
}

/** The newest change below a path. Folders count, since a file that was deleted changes its folder alone. */
function newestMs(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

/** Builds beside `dist` and then swaps the two, so that nothing ever runs a half-written tree. */
function build() {
  const beganAt = new Date();
  rmSync(next, { recursive: true, force: true });
  // Every app in one run: most of what they are made of is the same.
  const tsconfig = {
    extends: '../apps/api/tsconfig.app.json',
    compilerOptions: { outDir: next },
    include: ['../apps/*/src', '../libs/*/src'],
    exclude: ['../**/*.spec.ts', '../libs/testing'],
  };
  writeFileSync(join(lock, 'tsconfig.json'), JSON.stringify(tsconfig));
  const nest = join(root, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
  const run = spawnSync(process.execPath, [nest, 'build', 'api', '--path', '.build/tsconfig.json'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (run.status !== 0) throw new Error(`The build failed.\n${run.stdout}${run.stderr}`);
  // What the compiler does not carry over.
  cpSync(join(root, 'libs/database/migrations'), join(next, 'libs/database/migrations'), { recursive: true });
  writeFileSync(join(next, '.built'), `${beganAt.toISOString()}\n`);
  if (existsSync(built)) renameSync(built, join(lock, 'old'));
  renameSync(next, built);
}

/** One build at a time per folder, whoever starts it; a lock whose holder is gone is taken over. */
async function withLock(work) {
  while (!tryLock()) await new Promise((resolve) => setTimeout(resolve, 200));
  try {
    work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function tryLock() {
  try {
    mkdirSync(lock);
  } catch {
    if (holderIsGone()) rmSync(lock, { recursive: true, force: true });
    return false;
  }
  writeFileSync(join(lock, 'pid'), String(process.pid));
  return true;
}

/** Gone: its process does not exist, or it died before it could say who it was. */
function holderIsGone() {
  try {
    const pid = join(lock, 'pid');
    if (!existsSync(pid)) return Date.now() - statSync(lock).mtimeMs > 5000;
    process.kill(Number(readFileSync(pid, 'utf8')), 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}
