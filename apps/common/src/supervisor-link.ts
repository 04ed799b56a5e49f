import type { Order, Report } from './supervisor-messages';

const BEATS_PER_TIMEOUT = 10;

/** Tells a process's supervisor how it is. The process obeys its orders alone, and ends with it. */
export class SupervisorLink {
  /** Signals reach the whole group: only the supervisor acts on them. `handle` comes with `listen`. */
  constructor(obey: (order: Order, handle: unknown) => void) {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
    process.on('disconnect', () => process.exit(1));
    if (!process.connected) process.exit(1);
    process.on('message', obey);
  }

  /** Tells often enough that the process lives; it is killed when that is not heard of for so long. */
  beat(timeoutMs: number): void {
    setInterval(() => void this.tell({ type: 'heartbeat' }), timeoutMs / BEATS_PER_TIMEOUT);
  }

  /** Resolves when the report is out, or cannot be sent because the supervisor is gone. */
  tell(report: Report): Promise<void> {
    return new Promise((resolve) => {
      if (!process.send) return resolve();
      process.send(report, undefined, undefined, () => resolve());
    });
  }
}
