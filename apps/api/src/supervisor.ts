import { isatty } from 'node:tty';
import type { Config } from '@app/config';
import { SystemClock } from '@app/core';
import type { EmbeddedPostgres } from '@app/database';
import type { Log } from '@app/observability';
import { databaseServer } from '../../common/src/database-server';
import { StartFault } from '../../common/src/start-fault';
import { type LogLine, listeningLine, openToNetworkLine, readyLine, urlOf } from './start-lines';
import { ChildOfSupervisor, type ProcessExit, type Seat } from './supervisor-process';
import { Slot, type SlotHost } from './supervisor-slot';
import { SharedSocket } from './supervisor-socket';

const STDOUT = 1;
const TICKS_PER_TIMEOUT = 20;
/** Before it is heard of for the first time a process loads its code, in one long turn of its event loop. */
const PATIENCE_AT_START = 6;
const LAST_LINES_MS = 1000;
/** Workers begin when the server is ready, as its start has the CPUs for itself; or by then, when it never is. */
const WORKERS_AT_LATEST_MS = 15_000;
/** Processes end by themselves within the time of a stop; what has not by then is killed. */
const KILL_AFTER_MS = 2000;

/** Starts the processes of the server, and keeps them running until a signal ends it. Throws `StartFault`. */
export async function supervise(config: Config): Promise<void> {
  await new Supervisor(config, await SharedSocket.bind(config.http)).start();
}

/**
 * The parent of the HTTP processes and the workers. It holds the port, alone obeys signals, replaces what dies, and keeps the
 * embedded PostgreSQL; it parses no request and loads no model, so it has little to die of. When it does die, its processes end,
 * and PostgreSQL goes on until the next start takes it over. Whatever becomes of a worker, HTTP goes on.
 */
class Supervisor implements SlotHost {
  /** @internal */
  readonly clock = new SystemClock();
  private readonly log = Promise.withResolvers<Log>();
  private readonly database = Promise.withResolvers<EmbeddedPostgres | undefined>();
  private readonly slots: readonly Slot[];
  private readonly workers: readonly Slot[];
  private readonly alive = new Set<ChildOfSupervisor>();
  private readonly wasTerminal = isatty(STDOUT);
  private hasWorkers = false;
  private isListening = false;
  private isReady = false;
  private isRefusing = false;
  private isRolling = false;
  private rollsAgain = false;
  private signals = 0;

  constructor(
    private readonly config: Config,
    private readonly socket: SharedSocket,
  ) {
    const { http, job } = config;
    const seats = (kind: Seat['kind'], count: number, first: number): Slot[] =>
      Array.from({ length: count }, (_, index) => new Slot({ kind, slot: first + index }, this));
    this.slots = seats('http', http.processes, 1);
    this.workers = seats('worker', databaseServer(config).kind === 'none' ? 0 : job.workers, http.processes + 1);
  }

  async start(): Promise<void> {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void this.stop(signal));
    process.on('SIGHUP', () => void this.hangUp());
    for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, (fault) => void this.die(fault));
    setInterval(() => this.listenForHearts(), this.config.http.heartbeatTimeoutMs / TICKS_PER_TIMEOUT);
    for (const slot of this.slots) slot.start();
    setTimeout(() => this.startWorkers(), WORKERS_AT_LATEST_MS);
    const { openLog } = await import('./supervisor-log.js');
    this.log.resolve(openLog(this.config.log));
    await this.startDatabase();
  }

  /** @internal */
  fork(seat: Seat): ChildOfSupervisor {
    const process = new ChildOfSupervisor(seat);
    this.alive.add(process);
    void process.exited.then((exit) => this.ended(process, exit));
    void process.listening.then(() => this.tellListening());
    void process.ready.then((models) => this.tellReady(process, models));
    void process.fault.then((reason) => this.faulty(process, reason));
    return process;
  }

  /** @internal */
  async open(process: ChildOfSupervisor): Promise<void> {
    if (process.seat.kind === 'worker') return;
    if (this.slots.some((slot) => slot.serves)) await Promise.race([process.ready, process.exited]);
    if (process.state === 'starting' || process.state === 'ready') process.listen(this.socket);
    await Promise.race([process.listening, process.exited]);
  }

  private async startDatabase(): Promise<void> {
    const { startEmbeddedDatabase } = await import('../../common/src/embedded-database.js');
    if (this.signals > 0) return this.database.resolve(undefined);
    const log = this.say.bind(this);
    const failed = (fault: unknown): void => void this.refuseDatabase(fault);
    this.database.resolve(startEmbeddedDatabase(this.config, { log, failed }));
  }

  private refuseDatabase(fault: unknown): Promise<void> {
    if (!(fault instanceof StartFault)) return this.die(fault);
    if (!this.isReady) return this.refuseToStart(fault.message);
    this.say('error', { event: 'postgres_failed', reason: fault.message });
    return Promise.resolve();
  }

  private tellListening(): void {
    if (this.isListening) return;
    this.isListening = true;
    this.say('info', listeningLine(urlOf(this.socket.address)));
    const warning = openToNetworkLine(this.config.http.host);
    if (warning) this.say('warn', warning);
  }

  private tellReady(process: ChildOfSupervisor, models: readonly string[]): void {
    if (this.isReady || process.seat.kind === 'worker') return this.tellOf(process, 'ready', 'info');
    if (!this.slots.every((each) => each.serves)) return;
    this.isReady = true;
    this.say('info', readyLine(urlOf(this.socket.address), models));
    this.startWorkers();
  }

  private startWorkers(): void {
    if (this.hasWorkers || this.signals > 0 || this.isRefusing) return;
    this.hasWorkers = true;
    for (const slot of this.workers) slot.start();
  }

  private ended(process: ChildOfSupervisor, { code, signal }: ProcessExit): void {
    this.alive.delete(process);
    if (!process.wasAsked) this.tellOf(process, 'ended', 'error', { code, signal, was_ready: process.wasReady });
  }

  /** What keeps the first HTTP processes from starting is the operator's to put right. Later, those that run go on. */
  private faulty(process: ChildOfSupervisor, reason: string): void {
    if (this.isReady || process.seat.kind === 'worker') return this.tellOf(process, 'failed', 'error', { reason });
    void this.refuseToStart(reason);
  }

  private async refuseToStart(reason: string): Promise<void> {
    if (this.isRefusing) return;
    this.isRefusing = true;
    process.stderr.write(`Quayside cannot start. ${reason}\n`);
    for (const slot of this.everySlot) slot.close();
    this.killAll();
    await (await this.database.promise)?.stop();
    process.exit(1);
  }

  private listenForHearts(): void {
    for (const process of this.alive) {
      if (process.tick() <= TICKS_PER_TIMEOUT * (process.wasHeard ? 1 : PATIENCE_AT_START)) continue;
      this.tellOf(process, 'silent', 'error');
      process.kill();
    }
  }

  /** A terminal that closes sends the same signal as an operator who wants new processes. */
  private async hangUp(): Promise<void> {
    if (this.wasTerminal && !isatty(STDOUT)) return this.stop('SIGHUP');
    this.rollsAgain = true;
    if (this.isRolling) return;
    this.isRolling = true;
    while (this.rollsAgain && this.signals === 0) {
      this.rollsAgain = false;
      await this.roll();
    }
    this.isRolling = false;
  }

  private async roll(): Promise<void> {
    const startedAt = performance.now();
    const slots = this.hasWorkers ? this.everySlot : this.slots;
    this.say('info', { event: 'rolling_restart_started', processes: slots.length });
    for (const slot of slots) {
      const reason = await slot.replace({ cause: 'SIGHUP', timeoutMs: this.config.http.replaceTimeoutMs });
      // Those that were being replaced are stopped like all others.
      if (this.signals > 0) return;
      if (reason !== undefined)
        return this.say('error', { event: 'rolling_restart_aborted', slot: slot.seat.slot, reason });
    }
    const durationMs = Math.round(performance.now() - startedAt);
    this.say('info', { event: 'rolling_restart_complete', duration_ms: durationMs });
  }

  private async stop(cause: string): Promise<void> {
    this.signals += 1;
    if (this.signals > 1) return this.hurry(cause);
    const startedAt = performance.now();
    for (const slot of this.everySlot) slot.close();
    // The copies of those that drain keep the socket open as long as they need it.
    this.socket.close();
    const stopping = [...this.alive];
    for (const process of stopping) if (process.state !== 'stopping') process.stop(cause);
    const limit = setTimeout(() => this.killAll(), this.config.shutdown.timeoutMs + KILL_AFTER_MS);
    const exits = await Promise.all(stopping.map((process) => process.exited));
    clearTimeout(limit);
    // The last to go: until here somebody may have had something to write down.
    await (await this.database.promise)?.stop();
    await this.end({ stopping, exits, durationMs: Math.round(performance.now() - startedAt) });
  }

  /** The second signal refuses what is under way; the third waits for nothing. */
  private hurry(cause: string): void {
    for (const process of this.alive) process.stop(cause);
    if (this.signals > 2) setTimeout(() => this.killAll(), KILL_AFTER_MS);
    // PostgreSQL was told to end, and does so by itself.
    if (this.signals > 2 && this.alive.size === 0) process.exit(1);
  }

  private async end({ stopping, exits, durationMs }: Ended): Promise<void> {
    // One that had nothing to drain yet may have ended by the signal itself.
    const isComplete = exits.every(({ code }, index) => code === 0 || stopping[index]?.wasReady === false);
    const sum = (key: 'completed' | 'aborted'): number =>
      stopping.reduce((total, { lastWord }) => total + lastWord[key], 0);
    const outcome = { duration_ms: durationMs, completed: sum('completed'), aborted: sum('aborted') };
    if (isComplete) this.say('info', { event: 'shutdown_complete', ...outcome });
    else this.say('error', { event: 'shutdown_forced', reason: 'a process did not end in order', ...outcome });
    await (await this.log.promise).stream.flush(LAST_LINES_MS);
    process.exit(isComplete ? 0 : 1);
  }

  private get everySlot(): readonly Slot[] {
    return [...this.slots, ...this.workers];
  }

  private killAll(): void {
    for (const process of this.alive) process.kill();
  }

  private tellOf(
    { seat, pid }: ChildOfSupervisor,
    what: 'ready' | 'ended' | 'failed' | 'silent',
    level: 'info' | 'error',
    more: Readonly<Record<string, unknown>> = {},
  ): void {
    this.say(level, { event: `${seat.kind}_process_${what}`, slot: seat.slot, child_pid: pid, ...more });
  }

  /** Its lines are few, and wait for no others to be written with. */
  private say(level: 'info' | 'warn' | 'error', line: LogLine): void {
    void this.log.promise.then(({ logger, stream }) => {
      logger[level](line);
      void stream.flush(LAST_LINES_MS);
    });
  }

  /** A defect, perhaps of the log itself. The HTTP processes end with this one. */
  private async die(fault: unknown): Promise<void> {
    const log = await Promise.race([this.log.promise, Promise.resolve(undefined)]);
    if (log) log.logger.fatal({ event: 'process_died', err: fault });
    else process.stderr.write(`Quayside cannot start. ${fault instanceof Error ? fault.stack : String(fault)}\n`);
    process.exit(1);
  }
}

/** How the processes of a server ended, in the order of `stopping`. */
interface Ended {
  readonly stopping: readonly ChildOfSupervisor[];
  readonly exits: readonly ProcessExit[];
  readonly durationMs: number;
}
