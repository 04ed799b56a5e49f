import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLUSTER_LOGIN, type ClusterPaths, passwordFileIn } from './cluster-paths';
import { exists, unfinished } from './cluster-files';
import type { ClusterUser } from './cluster-user';
import { type Running, runProgram } from './program';

const PASSWORD_BYTES = 32;
const OWNER_ONLY = 0o700;
const OWNER_READS = 0o600;

/** What a cluster is made with. */
export interface ClusterToMake {
  readonly paths: ClusterPaths;
  readonly user: ClusterUser;
  readonly initdb: string;
  /** Takes the program while it runs, so that a stop can end it. */
  onRun(running: Running): void;
}

/**
 * Makes a cluster with a random password. It is made beside its place and moved there whole, so that a killed process
 * leaves no half of one, and of two processes that make one at once the second takes the first one's.
 */
export async function makeCluster({ paths, user, initdb, onRun }: ClusterToMake): Promise<void> {
  const [cluster, password] = [unfinished(paths.cluster), unfinished(join(paths.root, 'password'))];
  await mkdir(cluster, { mode: OWNER_ONLY });
  await user.own(cluster);
  await writeFile(password, randomBytes(PASSWORD_BYTES).toString('base64url'), { mode: OWNER_READS });
  await user.own(password);
  try {
    const running = runProgram(user.as(initdb, initdbArguments(cluster, password)));
    onRun(running);
    const { code, output } = await running.ended;
    if (code !== 0) throw new Error(`initdb failed: ${output.trim()}`);
    await rename(password, passwordFileIn(cluster));
    await rename(cluster, paths.cluster).catch(async (fault: unknown) => {
      if (!(await exists(paths.passwordFile))) throw fault;
    });
  } finally {
    await rm(cluster, { recursive: true, force: true });
    await rm(password, { force: true });
  }
}

function initdbArguments(directory: string, passwordFile: string): readonly string[] {
  const login = ['--username', CLUSTER_LOGIN.user, '--auth', 'scram-sha-256', '--pwfile', passwordFile];
  const content = ['--locale=C', '--encoding=UTF8', '--data-checksums', '--no-instructions'];
  return ['--pgdata', directory, ...login, ...content];
}
