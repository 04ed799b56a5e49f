import 'reflect-metadata';
import { type Config, ConfigError } from '@app/config';
import { Drain } from '@app/core';
import { DrainService, Readiness, type StopOptions } from '@app/health';
import { LogStream, NestLogger } from '@app/observability';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApp } from './bootstrap';
import { StartFault } from '../../common/src/start-fault';

const STILL_STARTING_EVERY_MS = 10_000;
const LAST_LINES_MS = 1000;
const ABANDON_MS = { 'stop-taking': 500, finish: 500, flush: 500, close: 2000 };

/** Who stands around the application: nobody but the operator, or a supervisor. */
export interface Surroundings {
  /** The number of the process in the log. */
  readonly proc: number;
  /** Makes the application listen, or sees to it that it does once it is ready. Throws `StartFault`. */
  listen(app: NestExpressApplication, config: Config): Promise<void>;
  /** Takes note that every pinned model serves. */
  ready(app: NestExpressApplication, models: readonly string[]): void;
  /** Tells why the application could not start: a sentence, or the stack of a defect. */
  cannotStart(reason: string): Promise<void>;
  /** Takes the last word of a process that was told to stop. */
  stopped(app: NestExpressApplication): Promise<void>;
}

/** The process that serves HTTP: it starts the application, waits until it is ready, and ends with it. */
export class ApiProcess {
  private app: NestExpressApplication | undefined;

  constructor(private readonly surroundings: Surroundings) {}

  /** Starts, and resolves when the server is ready. What keeps it from starting is told, and ends the process. */
  async run(readConfig: () => Config): Promise<void> {
    process.on('uncaughtException', (fault) => this.die(fault));
    process.on('unhandledRejection', (fault) => this.die(fault));
    try {
      await this.start(readConfig());
    } catch (fault) {
      await this.refuseToStart(fault);
    }
  }

  /** Drains and ends the process; until there is something to drain, just ends it. More calls make it hurry. */
  async stop(cause: string, options?: StopOptions): Promise<void> {
    if (!this.app) process.exit(0);
    // A drain may wait on nothing but timers that do not keep the process alive.
    setInterval(() => {}, 1000);
    const code = await this.app.get(DrainService).stop(cause, options);
    await this.app.get(LogStream).flush(LAST_LINES_MS);
    await this.surroundings.stopped(this.app);
    process.exit(code);
  }

  private async start(config: Config): Promise<void> {
    this.app = await createApp(config, this.surroundings.proc);
    await this.surroundings.listen(this.app, config);
    const readiness = this.app.get(Readiness);
    await untilReady(readiness, this.app.get(NestLogger));
    this.surroundings.ready(
      this.app,
      readiness.models().map(({ name }) => name),
    );
    void this.app.get(LogStream).flush(LAST_LINES_MS);
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

async function untilReady(readiness: Readiness, logger: NestLogger): Promise<void> {
  const reminder = setInterval(() => {
    const reasons = [readiness.modelsHealth(), readiness.executorsHealth()]
      .map(({ reason }) => reason)
      .join(' ')
      .trim();
    logger.warn({ event: 'still_starting', msg: `Not ready yet. ${reasons}` });
  }, STILL_STARTING_EVERY_MS);
  await readiness.whenReady();
  clearInterval(reminder);
}
