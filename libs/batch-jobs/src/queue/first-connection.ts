import type { Clock } from '@app/core';
import { pause } from '../execution/pause';

/** BullMQ's Queue or Worker, as far as its connections go. */
export interface Connected {
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
  disconnect(): Promise<void>;
}

/** How something is connected. */
export interface FirstConnection<T extends Connected> {
  readonly clock: Clock;
  /** Aborted: it is not wanted any more. */
  readonly signal: AbortSignal;
  build(): T;
  /** Told of each connection that failed. */
  failed(fault: unknown): void;
}

const ANSWER_WITHIN_MS = 5000;
const CLOSE_WITHIN_MS = 2000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5000;

/** The outcome of work that may never end. Throws when there is none in time. */
export async function within<T>(work: Promise<T>, timeoutMs: number, clock: Clock): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = clock.setTimer(timeoutMs, () => late.reject(new Error(`No answer within ${timeoutMs} ms.`)));
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
    // Whoever waited has gone: what comes later is nobody's fault.
    work.catch(() => {});
  }
}

/** Ends the connections, within seconds even where the server is frozen. */
export async function discard(connected: Connected, clock: Clock): Promise<void> {
  // Neither of the two ever settles where the server is frozen; on Redis only the second gives up a first connection.
  await within(connected.close(), CLOSE_WITHIN_MS, clock).catch(() => void connected.disconnect().catch(() => {}));
}

/**
 * Builds something until it is ready: what fails on its first connection stays broken for ever, and is thrown away. Undefined
 * once it is not wanted any more.
 */
export async function firstConnection<T extends Connected>(parts: FirstConnection<T>): Promise<T | undefined> {
  const { clock, signal, build, failed } = parts;
  for (let retryMs = FIRST_RETRY_MS; !signal.aborted; retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS)) {
    const connected = build();
    try {
      await within(connected.waitUntilReady(), ANSWER_WITHIN_MS, clock);
      if (!signal.aborted) return connected;
      await discard(connected, clock);
    } catch (fault) {
      if (!signal.aborted) failed(fault);
      await discard(connected, clock);
      await pause(retryMs, clock, signal).catch(() => undefined);
    }
  }
  return undefined;
}
