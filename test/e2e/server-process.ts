import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { eventually, opened, temporaryDirectory } from '@app/testing';

const ROOT = join(__dirname, '../..');
/** The compiled entry, as `npm start` runs it. `npm test` builds it first. */
const ENTRY = join(ROOT, 'dist/apps/api/src/main.js');

/** A line of the server's log. */
export type LogLine = Readonly<Record<string, unknown>>;

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
  private stderr = '';
  private readonly closed = opened('server process');

  private constructor(private readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk) => (this.stdout += String(chunk)));
    child.stderr?.on('data', (chunk) => (this.stderr += String(chunk)));
    this.exited = once(child, 'close').then(([code, signal]) => {
      this.closed();
      return { code, signal };
    });
  }

  /** Starts one with these settings, an empty models folder of its own and nothing else from this environment but PATH. */
  static start(settings: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
    return ServerProcess.run([process.execPath, ENTRY], settings);
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
    const env = { PATH: process.env['PATH'], ...defaults, ...settings };
    return new ServerProcess(
      spawn(program, args, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }),
    );
  }

  /** Every complete line of stdout so far; all of them must be JSON. */
  get lines(): readonly LogLine[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** What it wrote to stderr so far. */
  get complaint(): string {
    return this.stderr;
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('The server could not be started.');
    return this.child.pid;
  }

  /** Resolves with the first line of an event. */
  logged(event: string): Promise<LogLine> {
    return eventually(() => {
      const line = this.lines.find((candidate) => candidate['event'] === event);
      if (line) return line;
      throw new Error(`No ${event} in:\n${this.stdout}${this.stderr}`);
    });
  }

  /** Resolves with the address once probes answer. */
  async listening(): Promise<string> {
    return String((await this.logged('listening'))['address']);
  }

  /** Resolves with the address once the server is ready. */
  async ready(): Promise<string> {
    return String((await this.logged('ready'))['address']);
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
  }
}
