import type { Clock, Timer } from '@app/core';
import type { LogCounters } from './log-counters';
import type { LogQueue } from './log-queue';
import type { LogStore } from './log-store';

/** What a flusher is made of. */
export interface LogFlusherParts {
  readonly queue: LogQueue;
  readonly store: LogStore;
  readonly counters: LogCounters;
  readonly clock: Clock;
  /** Told when writing begins to fail, with why, and when it works again. */
  onChange(state: 'failing' | 'writing', reason?: unknown): void;
}

/** One statement writes at most this; so much that waits is written at once. */
const BATCH = { rows: 500, bytes: 1024 * 1024 } as const;
/** How long a row waits for others. */
const LONGEST_WAIT_MS = 250;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5000;

/**
 * Moves rows from the queue to the store, one batch at a time, when enough wait or the oldest has waited long enough. A batch
 * that fails is tried again, ever less often, and nothing else until it is settled. `start` begins, `close` ends it.
 */
export class LogFlusher {
  private hasStarted = false;
  private isClosing = false;
  private isRunning = false;
  private isFailing = false;
  private retryMs = FIRST_RETRY_MS;
  private timer: Timer | undefined;
  private wake: (() => void) | undefined;
  private readonly ended = Promise.withResolvers<void>();

  constructor(private readonly parts: LogFlusherParts) {}

  /** The store can be reached: from now on rows are written. */
  start(): void {
    this.hasStarted = true;
    this.rowsCame();
  }

  /** To be called after rows were queued. Returns at once. */
  rowsCame(): void {
    if (!this.hasStarted || this.isRunning || this.parts.queue.rows === 0) return;
    if (this.isDue()) return void this.run();
    this.timer ??= this.parts.clock.setTimer(LONGEST_WAIT_MS, () => {
      this.timer = undefined;
      if (!this.isRunning) void this.run();
    });
  }

  /** Writes what waits, for at most so long. What is left then stays in the queue; nothing is written any more. */
  async close(budgetMs: number): Promise<void> {
    const { clock, queue } = this.parts;
    this.isClosing = true;
    this.timer?.cancel();
    this.wake?.();
    if (this.hasStarted && !this.isRunning) void this.run();
    if (queue.rows === 0 || !this.hasStarted) this.ended.resolve();
    const timer = clock.setTimer(budgetMs, () => this.ended.resolve());
    await this.ended.promise;
    timer.cancel();
    this.hasStarted = false;
    this.wake?.();
  }

  private isDue(): boolean {
    const { queue, clock } = this.parts;
    if (this.isClosing || queue.rows >= BATCH.rows || queue.bytes >= BATCH.bytes) return queue.rows > 0;
    return queue.oldestSinceMs !== undefined && clock.monotonicMs() - queue.oldestSinceMs >= LONGEST_WAIT_MS;
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    this.timer?.cancel();
    this.timer = undefined;
    do {
      await this.flush();
    } while (this.hasStarted && this.isDue());
    this.isRunning = false;
    if (this.isClosing) this.ended.resolve();
    else this.rowsCame();
  }

  private async flush(): Promise<void> {
    const { queue, store, counters, clock } = this.parts;
    const batch = queue.head(BATCH);
    if (batch.length === 0) return;
    const startedAtMs = clock.monotonicMs();
    try {
      const { written, rejected } = await store.insert(batch);
      // The rows were counted as lost in the meantime.
      if (!this.hasStarted) return;
      queue.settle(batch.length);
      counters.written += written;
      counters.rejected += rejected;
      counters.flushes += 1;
      counters.flushSeconds += (clock.monotonicMs() - startedAtMs) / 1000;
      this.succeeded();
    } catch (fault) {
      counters.failedFlushes += 1;
      await this.backOff(fault);
    }
  }

  private succeeded(): void {
    this.retryMs = FIRST_RETRY_MS;
    if (this.isFailing) this.parts.onChange('writing');
    this.isFailing = false;
  }

  private async backOff(fault: unknown): Promise<void> {
    if (!this.isFailing) this.parts.onChange('failing', fault);
    this.isFailing = true;
    if (!this.hasStarted) return;
    const rested = Promise.withResolvers<void>();
    // Whoever closes has no time for long pauses.
    const timer = this.parts.clock.setTimer(this.isClosing ? FIRST_RETRY_MS : this.retryMs, () => rested.resolve());
    this.wake = () => rested.resolve();
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
    await rested.promise;
    timer.cancel();
    this.wake = undefined;
  }
}
