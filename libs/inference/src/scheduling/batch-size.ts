/** Half of the time that a request may take: a batch that runs longer holds others up. In milliseconds. */
export const TARGET_MS = 100;
/** The longest batch of bulk work, which online work may have to wait for. */
export const BULK_TARGET_MS = 200;
/** The size that a search for the best one begins with, and the largest. */
export const FIRST_CAP = 4;
export const LARGEST_CAP = 64;

const STEP_UP = 1;
const STEP_DOWN = 0.9;

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

/** How fast batches of one class of sizes were: 1, 2–3, 4–7, 8–15, … rows. */
export interface SizeRate {
  readonly rowsPerMs: number;
  readonly batches: number;
  readonly atMs: number;
}

/** Weight of the newest batch in a rate. */
const NEWEST = 0.2;
/** So many batches make a rate, and it holds for so long. */
const ENOUGH_BATCHES = 3;
const RATE_HOLDS_MS = 30_000;
/** Twice the rows must be faster by this, or they only make everyone wait longer. */
const WORTHWHILE_GAIN = 1.05;

/** The class of a size, from 0. */
export function sizeClass(rows: number): number {
  return 31 - Math.clz32(Math.max(1, rows));
}

/** A class's rate after one more batch. */
export function nextRate(rate: SizeRate | undefined, { rows, serviceMs }: DoneBatch, nowMs: number): SizeRate {
  const rowsPerMs = rows / Math.max(serviceMs, 0.001);
  const isFresh = rate !== undefined && nowMs - rate.atMs < RATE_HOLDS_MS;
  if (!isFresh) return { rowsPerMs, batches: 1, atMs: nowMs };
  return { rowsPerMs: rate.rowsPerMs + NEWEST * (rowsPerMs - rate.rowsPerMs), batches: rate.batches + 1, atMs: nowMs };
}

/**
 * The most rows that are worth to run together, by the rates of each class: sizes grow only while rows per millisecond
 * do. A neighbour of the best class that nothing is known of is tried. Infinity before anything is known.
 */
export function worthwhileRows(rates: readonly (SizeRate | undefined)[], nowMs: number): number {
  const known = (at: number): number | undefined => {
    const rate = rates[at];
    return rate && rate.batches >= ENOUGH_BATCHES && nowMs - rate.atMs < RATE_HOLDS_MS ? rate.rowsPerMs : undefined;
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

function largestOf(sizeClassIndex: number): number {
  return 2 ** (sizeClassIndex + 1) - 1;
}
