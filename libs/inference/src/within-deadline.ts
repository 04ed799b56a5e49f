import { type CallContext, type Clock, QuaysideError } from '@app/core';
import type { ModelVersion } from '@app/model-registry';

/**
 * Waits for a version to become ready, at most as long as the caller does. The load itself goes on for others.
 * Throws model_not_ready at the deadline, client_closed when the caller leaves, and what the load throws.
 */
export async function withinDeadline(
  serving: Promise<ModelVersion>,
  context: CallContext,
  clock: Clock,
  wanted: ModelVersion,
): Promise<ModelVersion> {
  const ended = Promise.withResolvers<never>();
  const leave = (): void => ended.reject(new QuaysideError('client_closed', 'The client left before the answer.'));
  if (context.signal.aborted) leave();
  context.signal.addEventListener('abort', leave, { once: true });
  const timer = clock.setTimer(Math.max(0, context.deadlineAtMs - clock.monotonicMs()), () =>
    ended.reject(
      new QuaysideError('model_not_ready', `Model "${wanted.model}" is still loading. Try again shortly.`, {
        retryAfterMs: 1000,
      }),
    ),
  );
  try {
    return await Promise.race([serving, ended.promise]);
  } finally {
    timer.cancel();
    context.signal.removeEventListener('abort', leave);
  }
}
