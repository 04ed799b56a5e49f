import { decideBatch, pickQueue } from './batch-policy';
import type { CallQueue, VersionLoad } from './call-queue';

/** The queue that the next batch comes from, or until when all that could run is held back; Infinity where nothing is. */
export type Turn = { readonly queue: CallQueue } | { readonly queue?: undefined; readonly waitUntilMs: number };

/** Whose turn it is among the queues in which something waits, by what has run so far. */
export class Turns {
  private readonly waiting = new Set<CallQueue>();
  private onlineInARow = 0;
  /** Time that the version got which ran last: one that wakes starts from there. */
  private servedMs = 0;

  /** Call it whenever rows came into a queue or left it. */
  note(queue: CallQueue): void {
    if (queue.rows > 0) this.waiting.add(queue);
    else this.waiting.delete(queue);
  }

  /** A version that had nothing to do has work: it gets no credit for the time that it asked for nothing. */
  wake(load: VersionLoad): void {
    load.servedMs = Math.max(load.servedMs, this.servedMs);
  }

  next(nowMs: number, mayRun: (queue: CallQueue) => boolean): Turn {
    const ready: CallQueue[] = [];
    let waitUntilMs = Infinity;
    for (const queue of this.waiting) {
      if (!mayRun(queue)) continue;
      const { delayMs } = queue.load.version.manifest.batching;
      const decision = decideBatch(queue, { cap: queue.cap(), delayMs }, nowMs);
      if ('send' in decision) ready.push(queue);
      else waitUntilMs = Math.min(waitUntilMs, decision.waitUntilMs);
    }
    const queue = pickQueue(ready, this.onlineInARow);
    return queue ? { queue } : { waitUntilMs };
  }

  /** A batch of a queue begins, which is expected to take so long. */
  began({ load, priority }: CallQueue, expectedMs: number): void {
    this.servedMs = load.servedMs;
    load.servedMs += expectedMs;
    this.onlineInARow = priority === 'online' && this.bulkWaits() ? this.onlineInARow + 1 : 0;
  }

  private bulkWaits(): boolean {
    for (const { priority } of this.waiting) if (priority === 'bulk') return true;
    return false;
  }
}
