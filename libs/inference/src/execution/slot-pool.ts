import type { Clock, Timer } from '@app/core';
import { type StartChild, memoryOf } from './child-process';
import { RespawnDelay } from './crash-policy';
import type { ExecutorTimings } from './executor-options';
import { shuttingDown } from './refusals';
import { Slot } from './slot';
import type { DeathCause } from './slot-death';
import { SlotState } from './slot-state';

/** What a pool of processes is made of. */
export interface SlotPoolOptions {
  /** How many processes it keeps. */
  readonly size: number;
  /** Whether it keeps none until it is woken. */
  readonly isAsleep: boolean;
  readonly start: StartChild;
  readonly clock: Clock;
  readonly timings: ExecutorTimings;
  /** A process that holds more memory is replaced. */
  readonly processLimitBytes: number;
  /** A process can take work, or what it holds has changed. */
  readonly onChange: () => void;
  /** A process is gone; its replacement is on its way. `doing` is the key of the version that it ran or loaded. */
  readonly onDeath: (slot: Slot, cause: DeathCause, doing: string | undefined) => void;
  readonly log: (line: string) => void;
}

/** One seat of the pool: a process, or the wait for the next. */
interface Place {
  readonly delay: RespawnDelay;
  slot: Slot | undefined;
  timer: Timer | undefined;
  /** It was over its memory when it was last looked at. */
  wasOverLimit: boolean;
}

/**
 * Keeps so many executor processes alive: replaces those that die, and those that have grown too large. `awake ⇄ asleep`: while
 * it sleeps it keeps none.
 */
export class SlotPool {
  private readonly places: Place[];
  private watch: Timer | undefined;
  private closing = false;
  private isAsleep: boolean;
  private readonly started = Promise.withResolvers<string>();
  /** Processes replaced since the start. */
  restarts = 0;

  constructor(private readonly options: SlotPoolOptions) {
    const { size, timings, isAsleep } = options;
    this.isAsleep = isAsleep;
    this.places = Array.from({ length: size }, () => ({
      delay: new RespawnDelay(timings),
      slot: undefined,
      timer: undefined,
      wasOverLimit: false,
    }));
    // Closing may be the first that anyone hears of it.
    this.started.promise.catch(() => {});
    if (!isAsleep) this.occupyAll();
    this.watchMemory();
  }

  /** Processes that are there and stay, in a fixed order; those that are starting too. */
  get slots(): readonly Slot[] {
    return this.all.filter((slot) => slot.isAlive);
  }

  /** Of the idle processes that hold the version the one that ran last, so that the others stay cold. */
  idleHolder(key: string): Slot | undefined {
    let found: Slot | undefined;
    for (const { slot } of this.places) {
      if (slot?.state !== SlotState.Idle || !slot.holds.has(key)) continue;
      if (!found || slot.lastBatchAtMs > found.lastBatchAtMs) found = slot;
    }
    return found;
  }

  /** Every process that is there, also those that are about to go. */
  get all(): readonly Slot[] {
    return this.places.flatMap(({ slot }) => slot ?? []);
  }

  /** The version of ONNX Runtime that the processes run, as soon as one has said so. Throws shutting_down. */
  engineVersion(): Promise<string> {
    return this.started.promise;
  }

  /** Starts its processes, where they are not. */
  wake(): void {
    if (!this.isAsleep || this.closing) return;
    this.isAsleep = false;
    this.occupyAll();
  }

  /** Ends every process, each when it is done with what it does, until it is woken. */
  sleep(): void {
    this.isAsleep = true;
    for (const { timer } of this.places) timer?.cancel();
    for (const slot of this.all) void slot.end('replaced');
  }

  /** Replaces an idle process by a fresh one. */
  recycle(slot: Slot, why: string): void {
    if (slot.state !== SlotState.Idle) return;
    this.options.log(`executor ${slot.pid}: replaced, ${why}`);
    void slot.end('replaced');
  }

  /** Ends every process, each when it is done with what it does. */
  async close(): Promise<void> {
    this.closing = true;
    this.watch?.cancel();
    this.started.reject(shuttingDown());
    for (const { timer } of this.places) timer?.cancel();
    await Promise.all(this.all.map((slot) => slot.end('replaced')));
  }

  /** One that is about to end is replaced when it has. */
  private occupyAll(): void {
    for (const place of this.places) if (!place.slot) this.occupy(place);
  }

  private occupy(place: Place): void {
    const { start, clock, timings, log } = this.options;
    place.slot = new Slot({
      start,
      clock,
      timings,
      events: {
        onIdle: (slot) => this.tell(slot),
        onDeath: (slot, cause, doing) => this.replace(place, { slot, cause, doing }),
        onDebug: log,
      },
    });
  }

  private tell(slot: Slot): void {
    if (slot.engineVersion !== undefined) this.started.resolve(slot.engineVersion);
    this.options.onChange();
  }

  private replace(place: Place, death: { slot: Slot; cause: DeathCause; doing: string | undefined }): void {
    place.slot = undefined;
    if (this.closing || this.isAsleep) return;
    const { slot, cause, doing } = death;
    const { clock, log } = this.options;
    this.restarts += 1;
    log(`executor ended: ${cause}${doing === undefined ? '' : `, while it ran or loaded ${doing}`}`);
    const delayMs = cause === 'replaced' ? 0 : place.delay.next(clock.monotonicMs() - slot.startedAtMs);
    if (delayMs === 0) this.occupy(place);
    else place.timer = clock.setTimer(delayMs, () => this.occupy(place));
    this.options.onDeath(slot, cause, doing);
  }

  private watchMemory(): void {
    const { clock, timings } = this.options;
    this.watch = clock.setTimer(timings.memoryEveryMs, () => {
      for (const place of this.places) this.weigh(place);
      this.watchMemory();
    });
  }

  /** A process over its limit is replaced as soon as it is idle; one that stays over it in the middle of a run is killed. */
  private weigh(place: Place): void {
    const { slot } = place;
    if (!slot) return;
    slot.rssBytes = memoryOf(slot.pid).rssBytes;
    const isOver = slot.rssBytes > this.options.processLimitBytes;
    const ageMs = this.options.clock.monotonicMs() - slot.startedAtMs;
    // A young one would be over the limit again as soon as it has loaded what this one holds.
    if (isOver && ageMs >= this.options.timings.healthyMs) this.recycle(slot, 'it holds too much memory');
    if (isOver && place.wasOverLimit && slot.state === SlotState.Busy) slot.kill('memory');
    place.wasOverLimit = isOver && slot.isAlive;
  }
}
