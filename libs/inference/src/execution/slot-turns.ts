import type { Clock } from '@app/core';
import type { ExecutorTimings } from './executor-options';
import type { Slot } from './slot';
import type { SlotPool } from './slot-pool';
import { SlotState } from './slot-state';

/** Upkeep to be done on a process: a load or a release. */
export interface Upkeep<T> {
  /** The process for it, as soon as there is one that is idle. */
  readonly choose: () => Slot | undefined;
  readonly begin: (slot: Slot) => Promise<T>;
  /** Whether it need not be done any more: `otherwise` is its outcome then. */
  readonly isVoid: () => boolean;
  readonly otherwise: () => Promise<T>;
}

/** An upkeep that waits; without a process it ends as void. */
interface Turn {
  readonly choose: () => Slot | undefined;
  readonly isVoid: () => boolean;
  readonly begin: (slot: Slot | undefined) => void;
}

/** Lets loads and releases wait for the processes that they need, in order; none waits for another's process. */
export class SlotTurns {
  private turns: Turn[] = [];

  constructor(
    private readonly options: { pool: SlotPool; clock: Clock; timings: Pick<ExecutorTimings, 'trafficMs'> },
  ) {}

  /** Begins the upkeep when its turn comes; gives its outcome. */
  take<T>({ choose, isVoid, begin, otherwise }: Upkeep<T>): Promise<T> {
    return new Promise((resolve) => {
      this.turns.push({ choose, isVoid, begin: (slot) => resolve(slot ? begin(slot) : otherwise()) });
      this.pump();
    });
  }

  /** Begins what can begin now; called whenever a process may have become idle. */
  pump(): void {
    const waiting = this.turns;
    this.turns = [];
    const left = waiting.filter((turn) => {
      const slot = turn.isVoid() ? undefined : turn.choose();
      if (!slot && !turn.isVoid()) return true;
      turn.begin(slot);
      return false;
    });
    this.turns = [...left, ...this.turns];
  }

  /** The idle process that a load of the version may take: the one with the least recent traffic, or another without any. */
  coldest(key: string): Slot | undefined {
    const { pool, clock, timings } = this.options;
    const [first, ...others] = coldestFirst(pool.slots.filter((slot) => !slot.holds.has(key)));
    if (first?.state === SlotState.Idle) return first;
    const warmSince = clock.monotonicMs() - timings.trafficMs;
    return others.find((slot) => slot.state === SlotState.Idle && slot.lastBatchAtMs < warmSince);
  }
}

/** Those whose last batch is longest ago stand first, then those that hold least. */
export function coldestFirst(slots: readonly Slot[]): Slot[] {
  return [...slots].sort((a, b) =>
    a.lastBatchAtMs === b.lastBatchAtMs ? a.holds.size - b.holds.size : a.lastBatchAtMs - b.lastBatchAtMs,
  );
}
