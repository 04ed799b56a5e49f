import { type Clock, isQuaysideError } from '@app/core';

/** Resolves after so many milliseconds. Throws the signal's reason as soon as it is aborted. */
export function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      timer.cancel();
      reject(signal.reason as Error);
    };
    const timer = clock.setTimer(ms, () => {
      signal.removeEventListener('abort', leave);
      resolve();
    });
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
}

const OUTAGE_PAUSE_MS = 1_000;
const LONGEST_OUTAGE_MS = 10 * 60_000;

/**
 * Calls again and again while the database is down: what was computed is not given up for an outage. Throws database_unavailable once
 * that takes too long or the signal is aborted.
 */
export async function throughOutage<T>(call: () => Promise<T>, clock: Clock, signal: AbortSignal): Promise<T> {
  const untilMs = clock.monotonicMs() + LONGEST_OUTAGE_MS;
  for (;;) {
    try {
      return await call();
    } catch (fault) {
      const isOutage = isQuaysideError(fault) && fault.code === 'database_unavailable';
      if (!isOutage || signal.aborted || clock.monotonicMs() >= untilMs) throw fault;
      await pause(OUTAGE_PAUSE_MS, clock, signal).catch(() => undefined);
    }
  }
}
