import { QuaysideError } from '@app/core';

/** How many pushes of a process are written at once: they leave connections for everything else. */
const AT_ONCE = 4;
/** How many may wait for their turn; a push is at most as large as its body. */
const WAITING_LIMIT = 256;
const RETRY_AFTER_MS = 1000;

/** Lets few pushes at the tables, in the order in which they came. */
export class PushTurns {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** Runs `work` when it is its turn. Throws overloaded when too many wait already. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.waiting.length >= WAITING_LIMIT) {
      throw new QuaysideError('overloaded', 'Too many pushes wait already.', { retryAfterMs: RETRY_AFTER_MS });
    }
    if (this.running >= AT_ONCE) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running++;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      // The place goes on to the next one without ever being free.
      if (next) next();
      else this.running--;
    }
  }
}
