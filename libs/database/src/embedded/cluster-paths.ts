import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';

/** Where everything of an embedded cluster is. */
export interface ClusterPaths {
  /** All of it, but for a socket whose path would be too long. */
  readonly root: string;
  /** PostgreSQL's data directory; the postmaster's `-D`. */
  readonly cluster: string;
  /** In the cluster: it is made, moved and backed up with it. */
  readonly passwordFile: string;
  /** Copies of the programs, a folder for each version. */
  readonly binaries: string;
  readonly socketDirectory: string;
}

/** How to log in to an embedded cluster, but for its password. */
export const CLUSTER_LOGIN = { user: 'quayside', database: 'quayside', port: 5432 } as const;

/** The kernel takes 107 bytes on Linux, 103 on macOS. */
const LONGEST_SOCKET_PATH_BYTES = 100;
const PASSWORD_FILE = 'quayside.password';

/** The places of the cluster in a data folder, which must exist. Every process derives the same. */
export function clusterPaths(dataDirectory: string): ClusterPaths {
  const root = join(realpathSync(dataDirectory), 'postgres');
  const cluster = join(root, 'cluster');
  return {
    root,
    cluster,
    passwordFile: join(cluster, PASSWORD_FILE),
    binaries: join(root, 'binaries'),
    socketDirectory: socketDirectoryOf(root),
  };
}

/** The password's place in a cluster that is being made. */
export function passwordFileIn(cluster: string): string {
  return join(cluster, PASSWORD_FILE);
}

/** Not the system's temporary folder, which may be set differently for the next process. */
function socketDirectoryOf(root: string): string {
  const inside = join(root, 'socket');
  if (Buffer.byteLength(join(inside, `.s.PGSQL.${CLUSTER_LOGIN.port}`)) < LONGEST_SOCKET_PATH_BYTES) return inside;
  return join('/tmp', `quayside-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`);
}
