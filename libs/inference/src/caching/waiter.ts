import { type CallContext, type Clock, QuaysideError, type Timer } from '@app/core';
import type { ModelVersion } from '@app/model-registry';

/**
 * One caller who waits for runs that others may lead. `ended` rejects when the caller stops waiting: with
 * client_closed when it leaves, and, once armed, with deadline_exceeded at its own deadline, whatever the runs do.
 */
export class Waiter implements Disposable {
  readonly ended: Promise<never>;
  /** Ends the wait with an error that is this caller's alone. */
  readonly fail: (error: unknown) => void;
  private timer: Timer | undefined;

  constructor(
    readonly context: CallContext,
    private readonly version: ModelVersion,
    private readonly clock: Clock,
  ) {
    const { promise, reject } = Promise.withResolvers<never>();
    // Whoever waits hears of it through `ended`; when nobody does, nobody needs to.
    promise.catch(() => {});
    [this.ended, this.fail] = [promise, reject];
    if (context.signal.aborted) this.leave();
    context.signal.addEventListener('abort', this.leave, { once: true });
  }

  /** From now on the deadline is kept here: a caller who leads a run that nobody joined leaves that to the scheduler. */
  arm(): void {
    this.timer ??= this.clock.setTimer(Math.max(0, this.context.deadlineAtMs - this.clock.monotonicMs()), () => {
      const message = `The deadline passed before an equal request that runs already was answered ("${this.version.model}").`;
      this.fail(new QuaysideError('deadline_exceeded', message, { stage: 'queued' }));
    });
  }

  [Symbol.dispose](): void {
    this.timer?.cancel();
    this.context.signal.removeEventListener('abort', this.leave);
  }

  private readonly leave = (): void =>
    this.fail(new QuaysideError('client_closed', 'The client left before the answer.'));
}
