import { EmbeddedPostgres, type EmbeddedPostgresOptions } from '@app/database';
import { eventually, opened, temporaryDirectory } from '@app/testing';

/** A line that a keeper of a cluster logged. */
type Line = Parameters<EmbeddedPostgresOptions['log']>[1];

/** A PostgreSQL of a test's own, to be frozen and killed. */
export class EmbeddedCluster implements AsyncDisposable {
  private readonly lines: Line[] = [];
  private readonly closed = opened('embedded PostgreSQL');
  readonly keeper: EmbeddedPostgres;

  private constructor(readonly directory: string) {
    const log = (_level: string, line: Line): unknown => this.lines.push(line);
    this.keeper = new EmbeddedPostgres({ directory, settings: { fsync: 'off' }, log });
  }

  /** One whose keeper was not started; in a folder that has one already, or in a new one. */
  static async in(directory?: string): Promise<EmbeddedCluster> {
    return new EmbeddedCluster(directory ?? (await temporaryDirectory()));
  }

  /** One that answers. */
  static async start(directory?: string): Promise<EmbeddedCluster> {
    const cluster = await EmbeddedCluster.in(directory);
    await cluster.keeper.start();
    return cluster;
  }

  /** The events so far, in order. */
  get events(): readonly string[] {
    return this.lines.map(({ event }) => event);
  }

  /** What was said to have gone wrong so far, in order. */
  get reasons(): readonly string[] {
    return this.lines.flatMap(({ reason }) => (typeof reason === 'string' ? [reason] : []));
  }

  /** The process id of the postmaster. Throws when none runs. */
  async pid(): Promise<number> {
    const pid = await this.keeper.pid();
    if (pid === undefined) throw new Error('No PostgreSQL runs.');
    return pid;
  }

  /** Signals the postmaster alone. */
  async signal(name: NodeJS.Signals): Promise<void> {
    process.kill(await this.pid(), name);
  }

  /** Stops it, as far as it is this keeper's to stop. */
  async stop(): Promise<void> {
    await this.keeper.stop();
    this.closed();
  }

  /** Ends it, whatever state it is in. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.keeper.leave();
    this.closed();
    const pid = await this.keeper.pid();
    if (pid === undefined) return;
    for (const name of ['SIGCONT', 'SIGQUIT'] as const) signalled(pid, name);
    await eventually(async () => !signalled(pid, 0) || (await this.keeper.pid()) !== pid);
  }
}

function signalled(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
