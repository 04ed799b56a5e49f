import type { Clock, Timer } from '@app/core';
import type { LogPartitions } from './log-partitions';

/** What housekeeping is made of. */
export interface LogHousekeepingParts {
  readonly partitions: LogPartitions;
  readonly clock: Clock;
  readonly retentionDays: number;
  /** Told why a round failed; the next one comes all the same. */
  onFault(fault: unknown): void;
}

const EVERY_MS = 3_600_000;

/** Makes partitions ahead and removes old ones, at start and every hour. Of several processes one does it. */
export class LogHousekeeping {
  private timer: Timer | undefined;
  private round: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(private readonly parts: LogHousekeepingParts) {}

  /** The database can be reached. Resolves after the first round. */
  start(): Promise<void> {
    if (this.isClosed) return this.round;
    this.round = this.keep().finally(() => {
      if (!this.isClosed) this.timer = this.parts.clock.setTimer(EVERY_MS, () => void this.start());
    });
    return this.round;
  }

  /** Waits for a round that is under way. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.timer?.cancel();
    await this.round;
  }

  private async keep(): Promise<void> {
    const { partitions, clock, retentionDays, onFault } = this.parts;
    await partitions.keep(clock.epochMs(), retentionDays).catch(onFault);
  }
}
