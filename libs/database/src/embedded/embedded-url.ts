import { readFileSync } from 'node:fs';
import { CLUSTER_LOGIN, clusterPaths } from './cluster-paths';

/**
 * The URL of a database of an embedded cluster that was made already, as `DATABASE_URL` and the tools of PostgreSQL take it. It
 * holds the password.
 */
export function embeddedUrl(directory: string, database: string = CLUSTER_LOGIN.database): string {
  const { socketDirectory, passwordFile } = clusterPaths(directory);
  const password = readFileSync(passwordFile, 'utf8').trim();
  const parameters = new URLSearchParams({ host: socketDirectory, user: CLUSTER_LOGIN.user, password });
  return `postgresql:///${database}?${parameters}`;
}
