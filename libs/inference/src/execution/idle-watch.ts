import type { Clock, Timer } from '@app/core';

/** What is watched. */
export interface IdleWatchParts {
  readonly clock: Clock;
  /** How long it may be unused, in milliseconds. */
  readonly idleMs: number;
  /** Whether it is in use, though nobody has said so lately. */
  isBusy(): boolean;
  wake(): void;
  sleep(): void;
}

/** Wakes something when it is used, and puts it to sleep when it was not for a while: `asleep ⇄ awake`, beginning asleep. */
export class IdleWatch {
  private usedAtMs = 0;
  private timer: Timer | undefined;
  private isClosed = false;

  constructor(private readonly parts: IdleWatchParts) {}

  /** It is used now. */
  use(): void {
    this.usedAtMs = this.parts.clock.monotonicMs();
    if (this.timer || this.isClosed) return;
    this.parts.wake();
    this.lookIn(this.parts.idleMs);
  }

  /** Does nothing any more. */
  close(): void {
    this.isClosed = true;
    this.timer?.cancel();
  }

  private lookIn(delayMs: number): void {
    this.timer = this.parts.clock.setTimer(delayMs, () => this.look());
  }

  private look(): void {
    const { clock, idleMs, isBusy, sleep } = this.parts;
    if (isBusy()) this.usedAtMs = clock.monotonicMs();
    const leftMs = this.usedAtMs + idleMs - clock.monotonicMs();
    if (leftMs > 0) return this.lookIn(leftMs);
    this.timer = undefined;
    sleep();
  }
}
