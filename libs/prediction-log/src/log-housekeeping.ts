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
  private isClosed = false;

  constructor(private readonly parts: LogHousekeepingParts) {}

  /** The database can be reached. Resolves after the first round. */
  async start(): Promise<void> {
    if (this.isClosed) return;
    await this.keep();
    if (!this.isClosed) this.timer = this.parts.clock.setTimer(EVERY_MS, () => void this.start());
  }

  /** No round begins any more; one that is under way ends with its connection. */
  close(): void {
    this.isClosed = true;
    this.timer?.cancel();
  }

  private async keep(): Promise<void> {
    const { partitions, clock, retentionDays, onFault } = this.parts;
    try {
      await partitions.keep(clock.epochMs(), retentionDays);
    } catch (fault) {
      if (!this.isClosed) onFault(fault);
    }
  }
}
