import { type CallContext, type Clock, QuaysideError, type Timer } from '@app/core';

/** Work that somebody waits for. */
export interface AwaitedWork<T> {
  /** Begins the work. `gone` is aborted once nobody waits for it any more. */
  readonly begin: (gone: AbortSignal) => Promise<T>;
  /** The error at the deadline. */
  readonly late: () => QuaysideError;
}

/**
 * Waits for work at most as long as the caller does, whatever the work does. Throws what `late` gives at the deadline,
 * client_closed when the caller leaves or has left, and what the work throws.
 */
export async function withinDeadline<T>(context: CallContext, clock: Clock, work: AwaitedWork<T>): Promise<T> {
  const gone = new AbortController();
  const ended = Promise.withResolvers<never>();
  const end = (error: QuaysideError): void => {
    ended.reject(error);
    gone.abort(error);
  };
  const leave = (): void => end(clientClosed());
  if (context.signal.aborted) leave();
  context.signal.addEventListener('abort', leave, { once: true });
  const timer = atDeadline(context, clock, () => end(work.late()));
  try {
    return await Promise.race([work.begin(gone.signal), ended.promise]);
  } finally {
    timer.cancel();
    context.signal.removeEventListener('abort', leave);
  }
}

/**
 * Calls `late` once when the deadline has passed, never before it. A run that is shared gets a later deadline when a
 * call joins it that waits longer, so the deadline is read again when the first one is over.
 */
export function atDeadline(context: CallContext, clock: Clock, late: () => void): Timer {
  const leftMs = (): number => Math.max(0, context.deadlineAtMs - clock.monotonicMs());
  const arm = (): Timer => clock.setTimer(leftMs(), () => (leftMs() > 0 ? (timer = arm()) : late()));
  let timer = arm();
  return { cancel: () => timer.cancel() };
}

/** The error for a call whose caller has left. */
export function clientClosed(): QuaysideError {
  return new QuaysideError('client_closed', 'The client left before the answer.');
}
