import { type Clock, type Timer } from '@app/core';

/** What a pulse is made of. */
export interface UploadPulseParts {
  readonly clock: Clock;
  readonly everyMs: number;
  /** Says that the upload goes on. False: its job does not. */
  touch(): Promise<boolean>;
  /** Called once when the job does not go on. */
  stopped(): void;
}

/** Says now and then that an upload goes on, as long as it does: the job of one that nobody hears of counts as interrupted. */
export class UploadPulse {
  private timer: Timer | undefined;
  private hasEnded = false;

  constructor(private readonly parts: UploadPulseParts) {
    this.rest();
  }

  end(): void {
    this.hasEnded = true;
    this.timer?.cancel();
  }

  private rest(): void {
    this.timer = this.parts.clock.setTimer(this.parts.everyMs, () => void this.beat());
  }

  private async beat(): Promise<void> {
    // Without an answer nothing is known; the upload itself will meet the same fault.
    const goesOn = await this.parts.touch().catch(() => true);
    if (this.hasEnded) return;
    if (goesOn) return this.rest();
    this.end();
    this.parts.stopped();
  }
}
