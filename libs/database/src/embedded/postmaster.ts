import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLUSTER_LOGIN, type ClusterPaths } from './cluster-paths';
import type { ClusterUser } from './cluster-user';
import { startDetached } from './program';

/** What a postmaster is started with. */
export interface PostmasterToStart {
  readonly paths: ClusterPaths;
  readonly user: ClusterUser;
  readonly postgres: string;
  /** Settings beside, or in place of, ours. */
  readonly settings: Readonly<Record<string, string>>;
}

/** A postmaster that was started; it may be on its way up, or gone. */
export interface Postmaster {
  readonly pid: number | undefined;
  /** Resolves, once it has ended, with what it said when it started. */
  readonly ended: Promise<string>;
}

const LAST_WORDS = 1000;
/** What it says in `start.log` when it says the rest, and why it ends, in a log file of its own. */
const SAYS_THE_REST_ELSEWHERE = /redirecting log output to logging collector process$/;

/**
 * On the command line and not in the cluster, so that a newer Quayside starts an old cluster its own way. Durable in every
 * way; reachable by the socket alone. Its log is in the cluster's folder `log`, a file for each day of the week, and holds
 * neither statements nor values.
 */
const SETTINGS = {
  listen_addresses: '',
  port: String(CLUSTER_LOGIN.port),
  unix_socket_permissions: '0700',
  max_connections: '200',
  shared_buffers: '64MB',
  fsync: 'on',
  synchronous_commit: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  logging_collector: 'on',
  log_filename: 'postgresql-%a.log',
  log_truncate_on_rotation: 'on',
  log_rotation_age: '1d',
  log_rotation_size: '0',
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
};

/** Starts PostgreSQL on a cluster, as a process that outlives this one. */
export function startPostmaster({ paths, user, postgres, settings }: PostmasterToStart): Postmaster {
  const logPath = join(paths.root, 'start.log');
  const logFile = openSync(logPath, 'w');
  try {
    // A list, in which a path with a comma has to stand in quotes.
    const sockets = `"${paths.socketDirectory.replaceAll('"', '""')}"`;
    const options = Object.entries({ ...SETTINGS, unix_socket_directories: sockets, ...settings });
    const args = ['-D', paths.cluster, ...options.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
    const child = startDetached(user.as(postgres, args), logFile);
    const ended = new Promise<string>((resolve) => {
      // Long after the start the whole folder may be gone.
      const lastWords = (): Promise<string> => readFile(logPath, 'utf8').catch(() => '');
      child.once(
        'exit',
        () => void lastWords().then((text) => resolve(reasonIn(text.slice(-LAST_WORDS).trim(), paths))),
      );
      child.once('error', (fault) => resolve(fault.message));
    });
    return { pid: child.pid, ended };
  } finally {
    closeSync(logFile);
  }
}

function reasonIn(words: string, { cluster }: ClusterPaths): string {
  return SAYS_THE_REST_ELSEWHERE.test(words) ? `the newest file in ${join(cluster, 'log')} says why` : words;
}
