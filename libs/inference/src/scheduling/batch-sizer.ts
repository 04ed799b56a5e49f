import type { Manifest } from '@app/model-registry';
import type { Priority } from './batch-policy';
import {
  type DoneBatch,
  FIRST_CAP,
  type SizeRate,
  bulkRows,
  nextCap,
  nextRate,
  sizeClass,
  worthwhileRows,
} from './batch-size';
import { type ServiceTime, ServiceTimes } from './service-times';

/** Learns from the batches of one queue how long they take, and how many rows the next one should have at most. */
export class BatchSizer {
  private readonly rates: (SizeRate | undefined)[] = [];
  private readonly times = new ServiceTimes();
  private size = FIRST_CAP;
  private batches = 0;

  /** The most rows of the next batch, from 1. */
  cap(maxRows: Manifest['batching']['maxRows'], priority: Priority): number {
    const wanted = maxRows === 'auto' ? Math.min(this.size, worthwhileRows(this.rates, this.batches)) : maxRows;
    return Math.max(1, Math.floor(Math.min(wanted, priority === 'bulk' ? bulkRows(this.times.estimate()) : Infinity)));
  }

  /** How long batches take; undefined before there were enough. */
  serviceTime(): ServiceTime | undefined {
    return this.times.estimate();
  }

  /** Learns from a batch that went well. */
  learn(done: DoneBatch): void {
    const at = sizeClass(done.rows);
    this.batches += 1;
    this.times.observe(done.rows, done.serviceMs);
    while (this.rates.length < at) this.rates.push(undefined);
    this.rates[at] = nextRate(this.rates[at], done, this.batches);
    this.size = nextCap(Math.min(this.size, worthwhileRows(this.rates, this.batches)), done);
  }
}
