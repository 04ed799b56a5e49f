import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const ROOT = join(__dirname, '../..');

/** Where `npm run jobs` is typed. */
export interface JobsSurroundings {
  readonly url: string;
  readonly cwd: string;
  readonly stdin?: string | Uint8Array;
  /** Gets the process once it runs. */
  readonly started?: (child: ChildProcess) => void;
}

/** What came of `npm run jobs`. */
export interface JobsRun {
  readonly code: number | null;
  readonly out: string;
  readonly told: string;
}

/** Runs `npm run jobs -- …` as npm would in a folder, away from a terminal. */
export async function runJobs(args: readonly string[], around: JobsSurroundings): Promise<JobsRun> {
  const env = { PATH: process.env['PATH'], INIT_CWD: around.cwd, QUAYSIDE_URL: around.url };
  const child = spawn(process.execPath, ['scripts/jobs.mjs', ...args], { cwd: ROOT, env });
  child.stdin.on('error', () => {});
  child.stdin.end(around.stdin ?? '');
  around.started?.(child);
  const [out, told, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as number | null, out, told };
}
