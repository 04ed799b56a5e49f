import type { Clock } from '@app/core';

/** So many failures in a row, and reads pause: a store that is frozen gets time, and requests their answer at once. */
const FAILURES_IN_A_ROW = 3;
const PAUSE_MS = 1000;

/**
 * Whether reads pause. `open → paused` after 3 statements in a row that PostgreSQL did not answer, `paused → open` a second
 * later; the first statement after a pause that fails begins another. A caller whose own time ran out says nothing about the
 * store, since it may have waited for this process, and does not count.
 */
export class ReadPause {
  private failures = 0;
  private untilMs = -Infinity;

  constructor(private readonly clock: Clock) {}

  /** Whether nothing should be asked now. */
  get isOn(): boolean {
    return this.clock.monotonicMs() < this.untilMs;
  }

  /** A statement was answered. */
  succeed(): void {
    this.failures = 0;
  }

  /** PostgreSQL was away for a statement, or too slow for the pool's limits. */
  fail(): void {
    this.failures++;
    if (this.failures >= FAILURES_IN_A_ROW) this.untilMs = this.clock.monotonicMs() + PAUSE_MS;
  }
}
