import { type CallContext, type Clock, QuaysideError } from '@app/core';

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
  const timer = clock.setTimer(Math.max(0, context.deadlineAtMs - clock.monotonicMs()), () => end(work.late()));
  try {
    return await Promise.race([work.begin(gone.signal), ended.promise]);
  } finally {
    timer.cancel();
    context.signal.removeEventListener('abort', leave);
  }
}

/** The error for a call whose caller has left. */
export function clientClosed(): QuaysideError {
  return new QuaysideError('client_closed', 'The client left before the answer.');
}
