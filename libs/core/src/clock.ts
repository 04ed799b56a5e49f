/** A timer that was set on a clock; cancelling one that fired does nothing. */
export interface Timer {
  cancel(): void;
}

/** Where time comes from. Durations and deadlines use `monotonicMs`, dates use `epochMs`. Tests use `ManualClock`. */
export abstract class Clock {
  /** Milliseconds since the Unix epoch; may jump when the system's clock is set. */
  abstract epochMs(): number;
  /** Milliseconds with a fraction, from an arbitrary origin; never goes back. */
  abstract monotonicMs(): number;
  /** Calls `callback` once after `delayMs`. The timer does not keep the process alive. */
  abstract setTimer(delayMs: number, callback: () => void): Timer;
}

/** The system's clocks. */
export class SystemClock extends Clock {
  override epochMs(): number {
    return Date.now();
  }

  override monotonicMs(): number {
    return performance.now();
  }

  override setTimer(delayMs: number, callback: () => void): Timer {
    const timeout = setTimeout(callback, delayMs);
    timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  }
}
