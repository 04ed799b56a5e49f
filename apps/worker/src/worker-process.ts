import 'reflect-metadata';
import { type Config, ConfigError } from '@app/config';
import { Drain, type DrainFault, drainBudgets } from '@app/core';
import { LogStream, NestLogger } from '@app/observability';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { StartFault } from '../../common/src/start-fault';
import { ChunkTurns } from './chunk-turns';
import { ChunkWork } from './chunk-work';
import { WorkerEnd } from './worker-end';
import { WorkerModule } from './worker.module';

const LAST_LINES_MS = 1000;
const ABANDON_MS = { 'stop-taking': 500, finish: 500, flush: 500, close: 2000 };

/** Who stands around the worker: nobody but the operator, or a supervisor. */
export interface WorkerSurroundings {
  /** The number of the process in the log. */
  readonly proc: number;
  /** The worker is there, and looks for PostgreSQL. */
  started(app: INestApplicationContext, config: Config): void;
  /** It takes chunks. */
  ready(app: INestApplicationContext, config: Config): void;
  /** Tells why the worker could not start: a sentence, or the stack of a defect. */
  cannotStart(reason: string): Promise<void>;
  /** Takes the last word of a worker that was told to stop. */
  stopped(app: INestApplicationContext): Promise<void>;
}

/** The process that runs jobs: it starts the application, takes chunks as soon as it can, and ends with it. */
export class WorkerProcess {
  private app: INestApplicationContext | undefined;
  private timeoutMs = 0;
  private orders = 0;

  constructor(private readonly surroundings: WorkerSurroundings) {}

  /** Starts, and resolves when chunks are taken. What keeps it from starting is told, and ends the process. */
  async run(readConfig: () => Config): Promise<void> {
    process.on('uncaughtException', (fault) => this.die(fault));
    process.on('unhandledRejection', (fault) => this.die(fault));
    // It may wait on nothing but timers that do not keep the process alive.
    setInterval(() => {}, 1000);
    try {
      await this.start(readConfig());
    } catch (fault) {
      await this.refuseToStart(fault);
    }
  }

  /**
   * Drains and ends the process; until there is something to drain, just ends it. A second call gives back what runs instead
   * of waiting for it; a third one waits for nothing.
   */
  async stop(cause: string, code: 0 | 1 = 0): Promise<void> {
    this.orders += 1;
    if (!this.app) process.exit(0);
    if (this.orders === 2) this.app.get(ChunkWork).giveBack();
    if (this.orders === 3) this.force(`a third ${cause}`);
    if (this.orders > 1) return;
    await this.drain(this.app, cause);
    await this.surroundings.stopped(this.app);
    await this.app.get(LogStream).flush(LAST_LINES_MS);
    process.exit(code);
  }

  private async start(config: Config): Promise<void> {
    const { proc } = this.surroundings;
    const options = { bufferLogs: true, abortOnError: false };
    const app = await NestFactory.createApplicationContext(WorkerModule.forRoot(config, proc), options);
    app.useLogger(app.get(NestLogger));
    this.app = app;
    this.timeoutMs = config.shutdown.timeoutMs;
    void app.get(WorkerEnd).reason.then((reason) => this.stop(reason, 1));
    this.surroundings.started(app, config);
    await app.get(ChunkWork).start();
    this.surroundings.ready(app, config);
    void app.get(LogStream).flush(LAST_LINES_MS);
  }

  private async drain(app: INestApplicationContext, cause: string): Promise<void> {
    const [logger, work] = [app.get(NestLogger), app.get(ChunkWork)];
    const startedAtMs = performance.now();
    logger.log({ event: 'shutdown_started', cause, chunks: work.active });
    const limit = setTimeout(() => this.force(`${this.timeoutMs} ms were not enough`), this.timeoutMs);
    const faults = await app.get(Drain).run(drainBudgets(this.timeoutMs));
    clearTimeout(limit);
    for (const fault of faults) logger.warn(faultLine(fault));
    const durationMs = Math.round(performance.now() - startedAtMs);
    logger.log({ event: 'shutdown_complete', duration_ms: durationMs, chunks: app.get(ChunkTurns).counts });
  }

  private force(reason: string): void {
    this.app?.get(NestLogger).error({ event: 'shutdown_forced', reason });
    process.exit(1);
  }

  private async refuseToStart(fault: unknown): Promise<void> {
    if (!(fault instanceof ConfigError || fault instanceof StartFault)) return this.die(fault);
    await this.surroundings.cannotStart(fault.message);
    await this.app?.get(Drain).run(ABANDON_MS);
    process.exit(1);
  }

  /** A defect: the state of the process is unknown, so it ends. What it started ends with it. */
  private die(fault: unknown): void {
    if (this.app) {
      this.app.get(NestLogger).fatal({ event: 'process_died', err: fault });
      process.exit(1);
    }
    const reason = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    void this.surroundings.cannotStart(reason).finally(() => process.exit(1));
  }
}

function faultLine({ phase, name, reason }: DrainFault) {
  return { event: 'shutdown_step_failed', phase, step: name, err: reason };
}
