import { setTimeout as pause } from 'node:timers/promises';
import { Refusal, Silence } from './api.mjs';

const LIMIT_MS = 10 * 60_000;
const LONGEST_MS = 15_000;

/**
 * Tries again what a server could not do at the moment: it restarts, or has too much to do. A server that never answered
 * is not waited for, as its address is probably wrong; neither is one that was silent for ten minutes.
 */
export class Patience {
  #heardAt;
  #tries = 0;

  constructor({ tell, signal }) {
    Object.assign(this, { tell, signal });
  }

  async with(attempt) {
    for (;;) {
      try {
        const result = await attempt();
        this.#heard();
        return result;
      } catch (fault) {
        await this.#pauseAfter(fault);
      }
    }
  }

  #heard() {
    this.#heardAt = Date.now();
    this.#tries = 0;
  }

  /** Throws the fault where another try would not help. */
  async #pauseAfter(fault) {
    if (this.signal.aborted || !this.#mayPass(fault)) throw fault;
    this.#heardAt ??= Date.now();
    if (Date.now() - this.#heardAt > LIMIT_MS) throw fault;
    const waitMs = Math.min(LONGEST_MS, Math.max(fault.retryAfterMs ?? 0, 500 * 2 ** this.#tries++));
    if (this.#tries === 1) this.tell(`${fault.message} Trying again.`);
    await pause(waitMs, undefined, { signal: this.signal });
  }

  #mayPass(fault) {
    if (fault instanceof Refusal) return fault.retryAfterMs !== undefined;
    return fault instanceof Silence && this.#heardAt !== undefined;
  }
}
