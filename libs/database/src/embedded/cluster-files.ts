import { randomBytes } from 'node:crypto';
import { access, chmod, lstat, mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterPaths } from './cluster-paths';
import { EmbeddedPostgresFault } from './embedded-fault';

const VERSION_FILE = 'PG_VERSION';
const OWNER_ONLY = 0o700;
const BY_OTHERS = 0o077;

/** Whether there is something at the path. */
export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Whether a process exists. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (fault) {
    return (fault as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The process id that the postmaster has written down; undefined when there is none. The file itself is PostgreSQL's. */
export async function postmasterPid({ cluster }: ClusterPaths): Promise<number | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  return pid > 0 ? pid : undefined;
}

/** The major version that a cluster was made by; undefined when there is no cluster. Throws `EmbeddedPostgresFault`. */
export async function majorOf({ cluster }: Pick<ClusterPaths, 'cluster'>): Promise<string | undefined> {
  try {
    const version = (await readFile(join(cluster, VERSION_FILE), 'utf8')).trim();
    // As a full disk leaves it.
    if (version === '') throw Object.assign(new Error('PG_VERSION is empty.'), { code: 'nothing' });
    return version;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !(await exists(cluster))) return undefined;
    // Somebody has moved a whole one there in this moment.
    if (code === 'ENOENT' && (await exists(join(cluster, VERSION_FILE)))) return majorOf({ cluster });
    throw new EmbeddedPostgresFault(
      code === 'EACCES'
        ? `The database in ${cluster} belongs to another user: start Quayside as that user, or set DATA_DIR to another folder.`
        : `${cluster} is no database of PostgreSQL (${code} at PG_VERSION): move it away, or restore it from a backup.`,
      { cause },
    );
  }
}

/** What something is called while it is being made; then it is moved to its place whole. */
export function unfinished(path: string): string {
  return `${path}.new-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Removes what processes that were killed have left unfinished in a folder. */
export async function sweep(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const maker = Number(/\.new-(\d+)-/.exec(name)?.[1] ?? NaN);
    if (maker > 0 && !isRunning(maker)) await rm(join(directory, name), { recursive: true, force: true });
  }
}

/** The folder of the socket, for its owner alone. Throws `EmbeddedPostgresFault` when somebody else was there first. */
export async function makeSocketDirectory(path: string, own: (path: string) => Promise<void>): Promise<void> {
  await mkdir(path, { recursive: true, mode: OWNER_ONLY });
  const found = await lstat(path);
  const isOurs = found.isDirectory() && (process.getuid?.() === 0 || found.uid === process.getuid?.());
  const isOpen = path.startsWith('/tmp/') && (found.mode & BY_OTHERS) !== 0;
  if (!isOurs || isOpen)
    throw new EmbeddedPostgresFault(`${path} belongs to somebody else: remove it, or give DATA_DIR a shorter path.`);
  await chmod(path, OWNER_ONLY);
  await own(path);
}
