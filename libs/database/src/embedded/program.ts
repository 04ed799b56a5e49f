import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';

/** A program, and as whom it runs. */
export interface Program {
  readonly file: string;
  readonly args: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
}

/** A program that runs to its end. */
export interface Running {
  /** What it wrote, and its exit code; null when it was killed or could not be started. Never rejects. */
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
  kill(): void;
}

/** All that PostgreSQL sees of the environment: none of our secrets, and no locale or zone but these. */
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
};
const LONGEST_OUTPUT = 4000;

/** Runs a program that ends by itself. */
export function runProgram(program: Program): Running {
  const child = start(program, ['ignore', 'pipe', 'pipe']);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => (output = (output + String(chunk)).slice(-LONGEST_OUTPUT)));
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, output }));
    child.once('error', (fault) => resolve({ code: null, output: fault.message }));
  });
  return { ended, kill: () => void child.kill() };
}

/**
 * Starts a program that outlives this process: in a session of its own, so that Ctrl-C and a closing terminal do not reach
 * it. It writes to `logFile`, an open descriptor.
 */
export function startDetached(program: Program, logFile: number): ChildProcess {
  const child = start(program, ['ignore', logFile, logFile], true);
  child.unref();
  return child;
}

function start({ file, args, uid, gid }: Program, stdio: StdioOptions, detached = false): ChildProcess {
  return spawn(file, [...args], {
    // Not the folder of this process, which the program's user may not be allowed to enter.
    cwd: '/',
    env: ENVIRONMENT,
    stdio,
    detached,
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  });
}
