import type { Clock, Timer } from '@app/core';

/** A piece of work that comes back, and how often. */
export interface RoundsParts {
  readonly clock: Clock;
  /** How long after the end of one round the next begins, in milliseconds; asked anew after each. */
  restMs(): number;
  /** Never throws. */
  work(): Promise<void>;
}

/** Work in rounds, one after the other: a slow round delays the next one, and nothing else. `idle → going → closed`. */
export class Rounds {
  private timer: Timer | undefined;
  private current: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(private readonly parts: RoundsParts) {}

  /** Begins with a round at once; not any more once it is closed. */
  start(): void {
    if (!this.isClosed) this.begin();
  }

  /** Begins no other round, and resolves when the one that is under way has ended. Safe to call twice. */
  close(): Promise<void> {
    this.isClosed = true;
    this.timer?.cancel();
    return this.current;
  }

  private begin(): void {
    this.current = this.parts.work().then(() => {
      if (!this.isClosed) this.timer = this.parts.clock.setTimer(this.parts.restMs(), () => this.begin());
    });
  }
}
