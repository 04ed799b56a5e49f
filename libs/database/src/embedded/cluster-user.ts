import { chown, readFile, stat } from 'node:fs/promises';
import type { ClusterPaths } from './cluster-paths';
import { EmbeddedPostgresFault } from './embedded-fault';
import { type Program, runProgram } from './program';

/** As whom PostgreSQL runs, which refuses to be root. */
export interface ClusterUser {
  /** For the log. */
  readonly name: string;
  /** A program and how it is started so that it runs as this user. */
  as(file: string, args: readonly string[]): Program;
  /** Gives a file or a folder to this user. */
  own(path: string): Promise<void>;
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const ROOT = 0;
/** In a namespace of its own this process, and what belongs to it, seems to belong to this user. */
const NAMESPACE = ['--user', '--map-user=1000', '--map-group=1000', '--'];

/**
 * The user to run as: this process's own, unless that is root. Then the owner of the cluster, or, when there is none yet,
 * the first of `postgres`, `nobody` and this one in a user namespace that can reach the data folder. Throws
 * `EmbeddedPostgresFault` when none can.
 */
export async function chooseUser(paths: ClusterPaths, postgres: string): Promise<ClusterUser> {
  if (process.getuid?.() !== ROOT) return refuseUnlessRuns(itself(), postgres, paths);
  const owner = await stat(paths.cluster).catch(() => undefined);
  const candidates = owner
    ? [owner.uid === ROOT ? inNamespace() : account({ name: `user ${owner.uid}`, uid: owner.uid, gid: owner.gid })]
    : [...(await accounts(['postgres', 'nobody'])).map(account), inNamespace()];
  for (const candidate of candidates) if (await runs(candidate, postgres)) return candidate;
  const tried = candidates.map(({ name }) => name).join(', ');
  throw new EmbeddedPostgresFault(
    `PostgreSQL does not run as root, and nobody else can run it in ${paths.root} (tried: ${tried}). Start Quayside as another user, set DATA_DIR to a folder that user postgres or nobody can reach, or set DATABASE_URL.`,
  );
}

async function refuseUnlessRuns(user: ClusterUser, postgres: string, { root }: ClusterPaths): Promise<ClusterUser> {
  if (await runs(user, postgres)) return user;
  throw new EmbeddedPostgresFault(
    `PostgreSQL's programs in ${root} do not run here: they need glibc, and a file system that lets programs run. Set DATABASE_URL, or DATA_DIR to another folder.`,
  );
}

async function runs(user: ClusterUser, postgres: string): Promise<boolean> {
  return (await runProgram(user.as(postgres, ['--version'])).ended).code === 0;
}

function itself(): ClusterUser {
  return { name: 'itself', as: (file, args) => ({ file, args }), own: () => Promise.resolve() };
}

function account({ name, uid, gid }: Account): ClusterUser {
  return { name, as: (file, args) => ({ file, args, uid, gid }), own: (path) => chown(path, uid, gid) };
}

function inNamespace(): ClusterUser {
  return {
    name: 'root in a user namespace',
    as: (file, args) => ({ file: 'unshare', args: [...NAMESPACE, file, ...args] }),
    own: () => Promise.resolve(),
  };
}

async function accounts(names: readonly string[]): Promise<readonly Account[]> {
  const lines = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'));
  return names.flatMap((wanted) => {
    const [, , uid, gid] = lines.find(([name]) => name === wanted) ?? [];
    return Number(uid) > ROOT ? [{ name: wanted, uid: Number(uid), gid: Number(gid) }] : [];
  });
}
