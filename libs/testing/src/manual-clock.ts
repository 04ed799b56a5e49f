import { Clock, type Timer } from '@app/core';

interface ManualTimer {
  readonly dueAtMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is told to move. It starts at 0 ms, on 1 January 2026. */
export class ManualClock extends Clock {
  private nowMs = 0;
  private timers: ManualTimer[] = [];

  constructor(private epochOffsetMs = Date.UTC(2026, 0, 1)) {
    super();
  }

  override epochMs(): number {
    return this.epochOffsetMs + this.nowMs;
  }

  override monotonicMs(): number {
    return this.nowMs;
  }

  override setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { dueAtMs: this.nowMs + Math.max(0, delayMs), callback };
    this.timers.push(timer);
    return { cancel: () => void (this.timers = this.timers.filter((other) => other !== timer)) };
  }

  /**
   * Moves time forward and calls every timer that is due on the way, in order of time, then of setting; a timer that a
   * callback sets counts too. Promises are settled between two timers, so `await` it.
   */
  async advance(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    await settle();
    for (let next = this.nextDue(untilMs); next; next = this.nextDue(untilMs)) {
      const due = next;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.nowMs = due.dueAtMs;
      due.callback();
      await settle();
    }
    this.nowMs = untilMs;
  }

  /** Sets the system's clock, as an administrator may: dates jump, durations do not. */
  jumpEpoch(ms: number): void {
    this.epochOffsetMs += ms;
  }

  /** How many timers wait. */
  get pending(): number {
    return this.timers.length;
  }

  private nextDue(untilMs: number): ManualTimer | undefined {
    return this.timers
      .filter((timer) => timer.dueAtMs <= untilMs)
      .reduce<ManualTimer | undefined>(
        (first, timer) => (first && first.dueAtMs <= timer.dueAtMs ? first : timer),
        undefined,
      );
  }
}

/** Lets every promise that can settle do so: a turn of the event loop ends only when the microtasks are done. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
