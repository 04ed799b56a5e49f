import { type Clock, type Drain, type DrainFault, drainBudgets } from '@app/core';
import { Logger } from '@nestjs/common';
import type { HttpConnections } from './http-connections';
import type { Readiness } from './readiness';

/** How long a stop may take. */
export interface DrainOptions {
  /** How long requests are still taken, in milliseconds. */
  readonly graceMs: number;
  /** How long the whole stop may take, in milliseconds; then `stop` resolves with 1. */
  readonly timeoutMs: number;
  /** How long a body may still take to arrive after the grace, in milliseconds. Default 5000. */
  readonly bodyMs?: number;
  /** How long an idle connection may still begin a request after the grace, in milliseconds. Default 1000. */
  readonly idleMs?: number;
}

/** What is special about one stop. */
export interface StopOptions {
  /**
   * Set when another process serves in place of this one: how long requests are still taken here, in milliseconds. /ready
   * goes on answering for the server.
   */
  readonly replacedAfterMs?: number;
}

/** What a stop works on. */
export interface DrainParts {
  readonly drain: Drain;
  readonly readiness: Readiness;
  readonly connections: HttpConnections;
  readonly clock: Clock;
  readonly options: DrainOptions;
}

const BODY_MS = 5000;
const IDLE_MS = 1000;
const LAST_ANSWERS_MS = 500;

/**
 * Stops the process without losing a request that it has taken. In order:
 * /ready answers 503 and every answer says `Connection: close`; requests are taken for the grace; the port closes;
 * idle connections are given a moment for a request that may be on its way, and end; bodies that do not arrive are cut;
 * what is under way ends, or is refused with shutting_down when the time is over; buffers are flushed, processes closed.
 */
export class DrainService {
  private readonly logger = new Logger(DrainService.name);
  private readonly forced = Promise.withResolvers<1>();
  private readonly hurry = Promise.withResolvers<void>();
  private signals = 0;
  private replacedAfterMs: number | undefined;
  private stopping: Promise<0 | 1> | undefined;

  constructor(private readonly parts: DrainParts) {
    const { drain, connections } = parts;
    drain.register('stop-taking', 'readiness', () => this.turnReadiness());
    drain.register('stop-taking', 'http', () => connections.announceClose());
    drain.register('finish', 'http', () => this.finishRequests());
  }

  /**
   * Stops the process, and resolves with its exit code: 0, or 1 when the time was over. A second call refuses what is
   * still under way instead of waiting for it; a third one waits for nothing.
   */
  stop(cause: string, { replacedAfterMs }: StopOptions = {}): Promise<0 | 1> {
    this.signals += 1;
    if (this.signals === 1) this.replacedAfterMs = replacedAfterMs;
    if (this.signals === 2) this.hurry.resolve();
    if (this.signals === 3) this.force(`a third ${cause}`);
    this.stopping ??= Promise.race([this.run(cause), this.forced.promise]);
    return this.stopping;
  }

  private async run(cause: string): Promise<0> {
    const { drain, connections, clock, options } = this.parts;
    const startedAtMs = clock.monotonicMs();
    this.logger.log({ event: 'shutdown_started', cause, in_flight: connections.inFlight });
    const limit = clock.setTimer(options.timeoutMs, () => this.force(`${options.timeoutMs} ms were not enough`));
    const faults = await drain.run(drainBudgets(this.parts.options.timeoutMs));
    limit.cancel();
    faults.forEach((fault) => this.report(fault));
    this.logger.log({
      event: 'shutdown_complete',
      duration_ms: Math.round(clock.monotonicMs() - startedAtMs),
      completed: connections.completed,
      aborted: connections.aborted,
    });
    return 0;
  }

  private force(reason: string): void {
    const { inFlight, completed, aborted } = this.parts.connections;
    this.logger.error({ event: 'shutdown_forced', reason, in_flight: inFlight, completed, aborted });
    this.forced.resolve(1);
  }

  private report({ phase, name, reason }: DrainFault): void {
    this.logger.warn({ event: 'shutdown_step_failed', phase, step: name, err: reason });
  }

  private turnReadiness(): void {
    if (this.replacedAfterMs === undefined) this.parts.readiness.startDraining();
  }

  private async finishRequests(): Promise<void> {
    const { connections, drain, options } = this.parts;
    const finishMs = drainBudgets(options.timeoutMs).finish;
    // The last answers need a moment to get out before the phase ends.
    const outOfTime = Promise.race([
      this.after(Math.max(finishMs / 2, finishMs - LAST_ANSWERS_MS)),
      this.hurry.promise,
    ]);
    await Promise.race([this.after(this.replacedAfterMs ?? options.graceMs), outOfTime]);
    connections.stopListening();
    void this.after(options.bodyMs ?? BODY_MS).then(() => connections.refuseUnfinished());
    await Promise.race([this.after(options.idleMs ?? IDLE_MS), connections.whenGone(), outOfTime]);
    connections.closeIdle();
    await Promise.race([connections.whenIdle(), outOfTime]);
    connections.refuseAll();
    await connections.whenGone();
    // Work whose requests were all refused is not waited for either.
    if (this.signals > 1) drain.hasten();
  }

  private after(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.parts.clock.setTimer(delayMs, resolve));
  }
}
