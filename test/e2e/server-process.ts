import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { opened, temporaryDirectory } from '@app/testing';
import { childrenOf, killPostmaster, postmasterOf } from './processes';

const ROOT = join(__dirname, '../..');
/** The compiled entries, as `npm start` and `npm run worker` run them. `npm test` builds them first. */
const ENTRY = join(ROOT, 'dist/apps/api/src/main.js');
const WORKER_ENTRY = join(ROOT, 'dist/apps/worker/src/main.js');

/** Not an expectation: where so many tests run at once, everything takes longer. */
const DEADLINE_MS = 45_000;

/** A line of the server's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** Which line of an event is waited for, and for how long. */
interface Wait {
  readonly times?: number;
  readonly withinMs?: number;
}

/** How a server ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The built server as a process group of its own, on a free port. Stop it in the test that started it. */
export class ServerProcess implements AsyncDisposable {
  /** Resolves when the process has ended and all that it wrote was read. */
  readonly exited: Promise<Exit>;
  private stdout = '';
  private readonly parsed: LogLine[] = [];
  private parsedChars = 0;
  private stderr = '';
  private readonly closed = opened('server process');

  private constructor(
    private readonly child: ChildProcess,
    private readonly dataDirectory: string,
  ) {
    child.stdout?.on('data', (chunk) => (this.stdout += String(chunk)));
    child.stderr?.on('data', (chunk) => (this.stderr += String(chunk)));
    this.exited = once(child, 'close').then(([code, signal]) => {
      this.closed();
      return { code, signal };
    });
  }

  /**
   * Starts one with these settings, an empty models folder of its own and nothing else from this environment but PATH and
   * Node's cache. It is one plain process unless `HTTP_PROCESSES` says otherwise, and runs a model for every request, equal ones too, unless
   * `INFERENCE_CACHE_BYTES` does. It has no database; an empty `DATABASE_URL` gives it its own. It has no workers unless
   * `JOB_WORKERS` says so.
   */
  static start(settings: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
    return ServerProcess.run([process.execPath, ENTRY], {
      HTTP_PROCESSES: '0',
      INFERENCE_CACHE_BYTES: '0',
      DATABASE_URL: 'none',
      JOB_WORKERS: '0',
      ...settings,
    });
  }

  /** Starts a worker alone; `MODEL_DIR`, `DATA_DIR` and the like are to be those of a server. */
  static worker(settings: Readonly<Record<string, string>>): Promise<ServerProcess> {
    return ServerProcess.run([process.execPath, WORKER_ENTRY], settings);
  }

  /** Starts one as a user does: through npm, which builds first if a source is newer than the last build. */
  static npmStart(settings: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
    return ServerProcess.run(['npm', 'start', '--silent'], settings);
  }

  private static async run(
    [program, ...args]: readonly [string, ...string[]],
    settings: Readonly<Record<string, string>>,
  ): Promise<ServerProcess> {
    const folder = await temporaryDirectory();
    const defaults = { HTTP_PORT: '0', MODEL_DIR: folder, DATA_DIR: join(folder, '.data') };
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    const env = { PATH, NODE_COMPILE_CACHE, ...defaults, ...settings };
    const child = spawn(program, args, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    return new ServerProcess(child, env.DATA_DIR);
  }

  /** Every complete line of stdout so far; all of them must be JSON. */
  get lines(): readonly LogLine[] {
    const end = this.stdout.lastIndexOf('\n') + 1;
    const fresh = this.stdout.slice(this.parsedChars, end).split('\n').slice(0, -1);
    for (const line of fresh) this.parsed.push(JSON.parse(line) as LogLine);
    this.parsedChars = end;
    return this.parsed;
  }

  /** Resolves when there is more to read. */
  private async wrote(signal: AbortSignal): Promise<void> {
    if (this.child.stdout) await once(this.child.stdout, 'data', { signal });
  }

  /** The lines that are not about requests. */
  private get story(): string {
    const lines = this.lines.filter(({ event }) => event !== 'request_completed');
    return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  }

  /** What it wrote to stderr so far. */
  get complaint(): string {
    return this.stderr;
  }

  /** The process ids of the HTTP processes under a supervisor, from /proc. */
  get httpProcesses(): readonly number[] {
    return childrenOf(this.pid, 'http-process');
  }

  /** The process ids of the workers under a supervisor, from /proc. */
  get workers(): readonly number[] {
    return childrenOf(this.pid, 'worker-process');
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('The server could not be started.');
    return this.child.pid;
  }

  /** Resolves with the first line of an event, or with the one that comes `times`-th. */
  async logged(event: string, { times = 1, withinMs = DEADLINE_MS }: Wait = {}): Promise<LogLine> {
    const signal = AbortSignal.timeout(withinMs);
    for (;;) {
      const line = this.lines.filter((candidate) => candidate['event'] === event)[times - 1];
      if (line) return line;
      const isOver = await Promise.race([this.wrote(signal), this.exited]).then(
        () => this.child.stdout?.closed === true,
        () => true,
      );
      if (isOver) throw new Error(`No ${event} in:\n${this.story}${this.stderr}`);
    }
  }

  /** Resolves with the address once probes answer. */
  async listening(): Promise<string> {
    return String((await this.logged('listening'))['address']);
  }

  /** Resolves with the address once the server is ready. */
  async ready(): Promise<string> {
    return String((await this.logged('ready'))['address']);
  }

  /** The process id of its own PostgreSQL; undefined when none runs. */
  get postmaster(): number | undefined {
    return postmasterOf(this.dataDirectory);
  }

  /** Signals the server alone. */
  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Signals the server and all its children, as a terminal does on Ctrl-C. */
  signalGroup(name: NodeJS.Signals): void {
    process.kill(-this.pid, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.signalGroup('SIGKILL');
    await this.exited;
    // It outlives a server that is killed.
    await killPostmaster(this.dataDirectory);
  }
}
