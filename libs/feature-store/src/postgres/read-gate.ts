import type { Clock } from '@app/core';

/** More reads than this under way are one too many: the next one times out at once. */
const IN_FLIGHT_LIMIT = 64;
/** So many timeouts in a row, and reads pause: a store that is frozen gets time, and requests their answer at once. */
const TIMEOUTS_IN_A_ROW = 5;
const PAUSE_MS = 1000;

/**
 * Decides whether a read may begin. `open → paused` after 5 timeouts in a row, `paused → open` a second later; the first
 * read after a pause that times out begins another. Apart from that at most 64 reads are under way, counted until the
 * database has let go of them, which may be after their caller has.
 */
export class ReadGate {
  private inFlight = 0;
  private timeouts = 0;
  private pausedUntilMs = -Infinity;

  constructor(private readonly clock: Clock) {}

  /** Takes a place, which `leave` gives back; false when there is none, or reads pause. */
  enter(): boolean {
    if (this.inFlight >= IN_FLIGHT_LIMIT || this.clock.monotonicMs() < this.pausedUntilMs) return false;
    this.inFlight++;
    return true;
  }

  /** The database has let go of a read. */
  leave(): void {
    this.inFlight--;
  }

  /** A read was answered in time. */
  succeed(): void {
    this.timeouts = 0;
  }

  /** A read that had entered was not answered in time. */
  timeOut(): void {
    this.timeouts++;
    if (this.timeouts >= TIMEOUTS_IN_A_ROW) this.pausedUntilMs = this.clock.monotonicMs() + PAUSE_MS;
  }
}
