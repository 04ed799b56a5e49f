import { mkdir } from 'node:fs/promises';
import { type Clock, SystemClock } from '@app/core';
import { reasonOf } from '../unavailable';
import { type Binaries, installBinaries } from './binaries';
import { isRunning, majorOf, makeSocketDirectory, postmasterPid, sweep } from './cluster-files';
import { type ClusterPaths, clusterPaths } from './cluster-paths';
import { type ClusterUser, chooseUser } from './cluster-user';
import { EmbeddedPostgresFault } from './embedded-fault';
import { makeCluster } from './make-cluster';
import { type Postmaster, startPostmaster } from './postmaster';
import { Presence } from './presence';
import type { Running } from './program';

/** A line of the log. */
export interface EmbeddedPostgresLine {
  readonly event: string;
  readonly [key: string]: unknown;
}

/** How PostgreSQL is kept. */
export interface EmbeddedPostgresOptions {
  /** The data folder; it exists. The cluster is in its folder `postgres`. */
  readonly directory: string;
  /** Settings of PostgreSQL beside, or in place of, ours. For tests. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  log(level: 'info' | 'warn' | 'error', line: EmbeddedPostgresLine): void;
}

const POLL_MS = 15;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5000;
/** From asking PostgreSQL to end to telling it to. */
const STOP_PATIENCE_MS = 30_000;
const QUIT_PATIENCE_MS = 5000;

/**
 * Keeps a real PostgreSQL running on the data folder, as a process that outlives this one: a cluster that runs already is
 * taken over, one that ends is started again, and `stop` ends it unless other processes of Quayside use it. Several of these
 * may keep one cluster. It never touches `postmaster.pid`: whether a postmaster lives is PostgreSQL's to judge.
 */
export class EmbeddedPostgres {
  private readonly paths: ClusterPaths;
  private readonly clock: Clock;
  private readonly firstUp = Promise.withResolvers<void>();
  private presence: Presence | undefined;
  private postmaster: Postmaster | undefined;
  private user: ClusterUser | undefined;
  private initdb: Running | undefined;
  private keeping: Promise<void> | undefined;
  private isStopping = false;
  private endRest = (): void => {};

  constructor(private readonly options: EmbeddedPostgresOptions) {
    this.paths = clusterPaths(options.directory);
    this.clock = options.clock ?? new SystemClock();
  }

  /**
   * Starts it, or takes over one that runs, and resolves when it answers. Throws `EmbeddedPostgresFault` when it cannot run
   * until the operator does something; whatever else goes wrong is logged and tried again.
   */
  async start(): Promise<void> {
    this.keeping = this.keep();
    await Promise.race([this.firstUp.promise, this.keeping]);
  }

  /** The process id of PostgreSQL; undefined when none runs. */
  pid(): Promise<number | undefined> {
    return postmasterPid(this.paths);
  }

  /**
   * Stops it, and resolves when its process has ended. Other processes of Quayside that are connected keep it running; so does a
   * server that does not answer.
   */
  async stop(): Promise<void> {
    await this.letGo();
    if (!this.presence) return this.stopUnanswering();
    const isNeeded = await this.presence.othersAreThere();
    const pid = await this.pid();
    if (isNeeded || pid === undefined) this.options.log('info', { event: 'postgres_left_running', postgres_pid: pid });
    else await this.end(pid);
    await this.presence.leave();
  }

  /** Keeps it no longer, and lets it run. */
  async leave(): Promise<void> {
    await this.letGo();
    await this.presence?.leave();
  }

  private async letGo(): Promise<void> {
    this.isStopping = true;
    this.endRest();
    this.initdb?.kill();
    await this.keeping?.catch(() => {});
  }

  private async keep(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    let reported = '';
    while (!this.isStopping) {
      try {
        const presence = await this.reach();
        if (!presence) return;
        this.presence = presence;
        [retryMs, reported] = [FIRST_RETRY_MS, ''];
        this.firstUp.resolve();
        if (await this.isLost(presence)) this.options.log('warn', { event: 'postgres_lost' });
      } catch (fault) {
        if (fault instanceof EmbeddedPostgresFault) throw fault;
        const reason = reasonOf(fault);
        if (reason !== reported && !this.isStopping) this.options.log('error', { event: 'postgres_failed', reason });
        reported = reason;
        await this.rest(retryMs);
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      }
    }
  }

  /** True when the connection broke; false when it is to be stopped. */
  private async isLost(presence: Presence): Promise<boolean> {
    const stopped = new Promise<false>((resolve) => (this.endRest = () => resolve(false)));
    if (this.isStopping || !(await Promise.race([presence.lost.then(() => true), stopped]))) return false;
    this.presence = undefined;
    return true;
  }

  /** A connection to the cluster, which is made and started where it is not. Undefined when it is to be stopped. */
  private async reach(): Promise<Presence | undefined> {
    const startedAt = this.clock.monotonicMs();
    const made = await majorOf(this.paths);
    const live = made === undefined ? undefined : await this.attach();
    const presence = live ?? (await this.startAnew(made));
    if (!presence) return undefined;
    this.options.log('info', {
      event: live ? 'postgres_adopted' : 'postgres_started',
      postgres_pid: await this.pid(),
      duration_ms: Math.round(this.clock.monotonicMs() - startedAt),
    });
    return presence;
  }

  /** A connection to a postmaster that is up or on its way; undefined when there is none. */
  private async attach(): Promise<Presence | undefined> {
    for (;;) {
      const found = await Presence.find(this.options.directory);
      if (found instanceof Presence) return found;
      if (found === 'absent' || this.isStopping) return undefined;
      await this.rest(POLL_MS);
    }
  }

  private async startAnew(made: string | undefined): Promise<Presence | undefined> {
    for (const directory of [this.paths.root, this.paths.binaries]) {
      await mkdir(directory, { recursive: true });
      await sweep(directory);
    }
    const binaries = await installBinaries(this.paths.binaries);
    refuseOtherMajor(made, binaries, this.paths);
    const user = (this.user ??= await chooseUser(this.paths, binaries.postgres));
    await makeSocketDirectory(this.paths.socketDirectory, user.own);
    if (made === undefined && !this.isStopping) await this.make(user, binaries);
    if (this.isStopping) return undefined;
    const { settings = {} } = this.options;
    const postmaster = startPostmaster({ paths: this.paths, user, postgres: binaries.postgres, settings });
    this.postmaster = postmaster;
    return this.untilUp(postmaster);
  }

  private async make(user: ClusterUser, { initdb }: Binaries): Promise<void> {
    this.options.log('info', { event: 'postgres_initialising', directory: this.paths.cluster, user: user.name });
    await makeCluster({ paths: this.paths, user, initdb, onRun: (running) => (this.initdb = running) });
  }

  private async untilUp({ ended }: Postmaster): Promise<Presence | undefined> {
    let lastWords: string | undefined;
    void ended.then((words) => (lastWords = words));
    while (!this.isStopping) {
      const found = await Presence.find(this.options.directory);
      if (found instanceof Presence) return found;
      if (lastWords !== undefined) throw new Error(`PostgreSQL ended when it was started: ${lastWords}`);
      await this.rest(POLL_MS);
    }
    return undefined;
  }

  /** One that was started here and is not up yet has nobody connected. One that is lost, or does not answer, is left alone. */
  private async stopUnanswering(): Promise<void> {
    const pid = this.postmaster?.pid;
    if (pid !== undefined && (await this.pid()) === pid && isRunning(pid)) await this.end(pid);
  }

  private async end(pid: number): Promise<void> {
    const startedAt = this.clock.monotonicMs();
    process.kill(pid, 'SIGINT');
    if (!(await this.isGone(pid, STOP_PATIENCE_MS))) {
      process.kill(pid, 'SIGQUIT');
      await this.isGone(pid, QUIT_PATIENCE_MS);
    }
    const durationMs = Math.round(this.clock.monotonicMs() - startedAt);
    this.options.log('info', { event: 'postgres_stopped', postgres_pid: pid, duration_ms: durationMs });
  }

  /** The file goes when PostgreSQL ends in order, the process a moment later; as an orphan it may stay a zombie for ever. */
  private async isGone(pid: number, patienceMs: number): Promise<boolean> {
    const giveUpAt = this.clock.monotonicMs() + patienceMs;
    const isThere = async (): Promise<boolean> => isRunning(pid) && (await this.pid()) === pid;
    while (await isThere()) {
      if (this.clock.monotonicMs() > giveUpAt) return false;
      await this.pause(POLL_MS);
    }
    if (this.postmaster?.pid === pid) await this.postmaster.ended;
    return true;
  }

  private async rest(delayMs: number): Promise<void> {
    if (this.isStopping) return;
    const stopped = new Promise<void>((resolve) => (this.endRest = resolve));
    await Promise.race([this.pause(delayMs), stopped]);
  }

  private pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.clock.setTimer(delayMs, resolve));
  }
}

function refuseOtherMajor(made: string | undefined, { major }: Binaries, { cluster }: ClusterPaths): void {
  if (made === undefined || made === major) return;
  throw new EmbeddedPostgresFault(
    `The database in ${cluster} was made by PostgreSQL ${made}, and this Quayside brings PostgreSQL ${major}, which cannot read it. Start the Quayside that made it and copy its data with a pg_dump of version ${made} into a new one (docs/database.md), or set DATA_DIR to another folder.`,
  );
}
