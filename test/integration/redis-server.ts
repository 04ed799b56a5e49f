import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, opened } from '@app/testing';

/** Whether this machine has a Redis to test with. In CI it must. */
export function hasRedisServer(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch (cause) {
    if (process.env['CI']) throw new Error('redis-server is missing: install it, CI tests with a real one.', { cause });
    process.stdout.write('SKIPPED: tests with a real Redis, as there is no redis-server here.\n');
    return false;
  }
}

/** A Redis of its own for a test file, on a free port of the loopback, with nothing kept on disk. */
export class RedisServer implements AsyncDisposable {
  private child: ChildProcess | undefined;
  private closed: (() => void) | undefined;

  private constructor(
    private readonly directory: string,
    readonly port: number,
  ) {}

  /** Starts a server and waits until it answers. */
  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await mkdtemp(join(tmpdir(), 'quayside-redis-')), await freePort());
    await server.run();
    return server;
  }

  /** How to reach it. */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again after `kill`, empty, at the same address. */
  async run(): Promise<void> {
    const { port, directory } = this;
    const options = [
      '--port',
      `${port}`,
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      directory,
    ];
    this.child = spawn('redis-server', options, { stdio: 'ignore' });
    this.closed = opened(`redis-server ${this.child.pid}`);
    await eventually(async () => (await this.ask('PING')).includes('PONG'));
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    const { child } = this;
    if (!child) return;
    this.child = undefined;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    this.closed?.();
  }

  /** Lets it hang: connections stay open, nothing is answered. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  /** Ends what `freeze` began. */
  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  /** Sends one inline command on a connection of its own; gives the raw reply, empty where there is none. */
  async ask(command: string): Promise<string> {
    const socket = connect(this.port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      socket.write(`${command}\r\n`);
      const [reply] = (await once(socket, 'data')) as [Buffer];
      return reply.toString();
    } catch {
      return '';
    } finally {
      socket.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
