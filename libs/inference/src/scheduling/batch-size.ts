import { type ServiceTime, rowsWithin } from './service-times';

/** Half of the time that a request may take: a batch that runs longer holds others up. In milliseconds. */
export const TARGET_MS = 100;
/** The longest batch of bulk work, which online work may have to wait for. */
export const BULK_TARGET_MS = 200;
/** The size that a search for the best one begins with, and the largest. */
export const FIRST_CAP = 4;
export const LARGEST_CAP = 64;

const STEP_UP = 1;
const STEP_DOWN = 0.9;

/** The most rows of a batch of bulk work: it must end soon, as it cannot be stopped. Few, before it is known how long they take. */
export function bulkRows(line: ServiceTime | undefined): number {
  return line ? Math.max(1, rowsWithin(line, BULK_TARGET_MS)) : FIRST_CAP;
}

/** A batch that ran. */
export interface DoneBatch {
  readonly rows: number;
  /** Whether it had as many rows as it might. */
  readonly full: boolean;
  readonly serviceMs: number;
}

/** The next limit of rows: one more after a full batch in time, a tenth less after one that took too long. */
export function nextCap(cap: number, { full, serviceMs }: DoneBatch, largest = LARGEST_CAP): number {
  if (serviceMs > TARGET_MS) return Math.max(1, cap * STEP_DOWN);
  return full ? Math.min(largest, cap + STEP_UP) : cap;
}

/**
 * How fast batches of one class of sizes were: 1, 2–3, 4–7, 8–15, … rows. Rows and time are averaged apart: the mean of
 * quotients would favour small batches, whose times differ most.
 */
export interface SizeRate {
  readonly rows: number;
  readonly ms: number;
  readonly batches: number;
  /** Which batch of the queue was its last. */
  readonly last: number;
}

/** Least weight of the newest batch in a rate. */
const NEWEST = 0.1;
/** So many batches make a rate, and it holds for so many more of the queue: a machine is not equally fast all day. */
const ENOUGH_BATCHES = 5;
const RATE_HOLDS_BATCHES = 200;
/** Twice the rows must be faster by this, or they only make everyone wait longer. */
const WORTHWHILE_GAIN = 1.05;

/** The class of a size, from 0. */
export function sizeClass(rows: number): number {
  return 31 - Math.clz32(Math.max(1, rows));
}

/** A class's rate after the batch `number` of its queue. */
export function nextRate(rate: SizeRate | undefined, { rows, serviceMs }: DoneBatch, number: number): SizeRate {
  const ms = Math.max(serviceMs, 0.001);
  if (!rate || !holds(rate, number)) return { rows, ms, batches: 1, last: number };
  const batches = rate.batches + 1;
  const weight = Math.max(NEWEST, 1 / batches);
  const towards = (old: number, value: number): number => old + weight * (value - old);
  return { rows: towards(rate.rows, rows), ms: towards(rate.ms, ms), batches, last: number };
}

/**
 * The most rows that are worth to run together, by the rates of each class: sizes grow only while rows per millisecond
 * do. A neighbour of the best class that nothing recent is known of is tried. Infinity before anything is known.
 * `number` is that of the queue's last batch.
 */
export function worthwhileRows(rates: readonly (SizeRate | undefined)[], number: number): number {
  const known = (at: number): number | undefined => {
    const rate = rates[at];
    return rate && rate.batches >= ENOUGH_BATCHES && holds(rate, number) ? rate.rows / rate.ms : undefined;
  };
  let best: number | undefined;
  for (let at = 0; at < rates.length; at += 1) {
    const rate = known(at);
    if (rate !== undefined && (best === undefined || rate > known(best)! * WORTHWHILE_GAIN)) best = at;
  }
  if (best === undefined) return Infinity;
  if (best > 0 && known(best - 1) === undefined) return largestOf(best - 1);
  return largestOf(known(best + 1) === undefined ? best + 1 : best);
}

function holds(rate: SizeRate, number: number): boolean {
  return number - rate.last < RATE_HOLDS_BATCHES;
}

function largestOf(sizeClassIndex: number): number {
  return 2 ** (sizeClassIndex + 1) - 1;
}
