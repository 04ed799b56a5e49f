import type { Clock } from '@app/core';
import { type PredictionRecord, PredictionSink } from '@app/inference';
import { type DropReason, type LogCounts, LogCounters } from './log-counters';
import { LogFlusher, type LogFlusherParts } from './log-flusher';
import { LogQueue, type LogQueueLimits } from './log-queue';
import type { LogStore } from './log-store';
import { RowEncoder, type RowEncoderParts } from './row-encoder';

/** What the sink is made of. */
export interface LoggingPredictionSinkParts extends RowEncoderParts {
  readonly store: LogStore;
  readonly clock: Clock;
  /** Of this process. */
  readonly limits: LogQueueLimits;
  readonly onChange: LogFlusherParts['onChange'];
  /** How long `close` may take, in milliseconds. */
  readonly closeMs: number;
  /** False: nothing is logged, and all is counted as dropped. */
  readonly isOn: boolean;
}

/** The books, and what waits. */
export interface LogStatistics extends LogCounts {
  readonly queueRows: number;
  readonly queueBytes: number;
  /** How long the oldest row waits, in milliseconds; 0 where none does. */
  readonly oldestAgeMs: number;
}

/**
 * Predictions on their way to a store. What it was given is sampled, redacted and encoded before `record` returns, and
 * written later. Every row it was given is in the store, in its rejects, in the queue, or in one of the counters.
 */
export class LoggingPredictionSink extends PredictionSink {
  private readonly counters = new LogCounters();
  private readonly queue: LogQueue;
  private readonly encoder: RowEncoder;
  private readonly flusher: LogFlusher;
  private isClosed = false;

  constructor(private readonly parts: LoggingPredictionSinkParts) {
    super();
    this.queue = new LogQueue(parts.limits);
    this.encoder = new RowEncoder(parts);
    this.flusher = new LogFlusher({ ...parts, queue: this.queue, counters: this.counters });
  }

  override record(prediction: PredictionRecord): void {
    if (!this.parts.isOn) return this.drop('off', prediction.rows);
    const failed = prediction.status === 'error';
    if (this.isClosed) return this.drop('shutdown', prediction.rows);
    if (this.queue.isFull({ failed })) return this.drop('queue_full', prediction.rows);
    try {
      const { rows, sampledOut } = this.encoder.encode(prediction);
      const nowMs = this.parts.clock.monotonicMs();
      this.counters.sampledOut += sampledOut;
      for (const row of rows) if (!this.queue.offer(row, nowMs)) this.drop('queue_full', 1);
    } catch {
      // Nothing is queued before all rows are encoded. What is wrong with them is the prediction's own: it may not be told.
      return this.drop('unencodable', prediction.rows);
    }
    this.flusher.rowsCame();
  }

  /** The store can be reached: writing begins. */
  start(): void {
    this.flusher.start();
  }

  /** From memory. */
  statistics(): LogStatistics {
    const { rows: queueRows, bytes: queueBytes, oldestSinceMs } = this.queue;
    const oldestAgeMs = oldestSinceMs === undefined ? 0 : this.parts.clock.monotonicMs() - oldestSinceMs;
    return { ...this.counters.read(), queueRows, queueBytes, oldestAgeMs };
  }

  /** Writes what waits, as far as there is time, and counts what is left as dropped. Later ones are dropped too. */
  async close(): Promise<void> {
    await this.flusher.close(this.parts.closeMs);
    this.isClosed = true;
    this.drop('shutdown', this.queue.rows);
    this.queue.settle(this.queue.rows);
  }

  private drop(reason: DropReason, rows: number): void {
    this.counters.dropped[reason] += rows;
  }
}
