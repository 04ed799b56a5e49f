/** Who waits for an answer: a person or a service (`online`), or a job that has time (`bulk`). */
export type Priority = 'online' | 'bulk';

/** What the choice of a queue depends on. */
export interface QueueView {
  readonly priority: Priority;
  /** Executor time that the queue's model got so far, in milliseconds, on the scale of `ServedTime`. */
  readonly servedMs: number;
  /** When its oldest call came. */
  readonly headAtMs: number;
}

/** So many batches of online work may go in a row while bulk work waits. */
export const ONLINE_IN_A_ROW = 19;

/**
 * Which queue the next batch comes from: online before bulk, unless bulk is due; then the model that got the least time,
 * then the oldest call.
 */
export function pickQueue<Q extends QueueView>(queues: readonly Q[], onlineInARow: number): Q | undefined {
  const first: Priority = onlineInARow >= ONLINE_IN_A_ROW ? 'bulk' : 'online';
  let picked: Q | undefined;
  for (const queue of queues) if (!picked || comesBefore(queue, picked, first)) picked = queue;
  return picked;
}

function comesBefore(queue: QueueView, other: QueueView, first: Priority): boolean {
  if (queue.priority !== other.priority) return queue.priority === first;
  if (queue.servedMs !== other.servedMs) return queue.servedMs < other.servedMs;
  return queue.headAtMs < other.headAtMs;
}

/** What is known of a queue when a process is free for it. */
export interface Waiting {
  readonly rows: number;
  readonly headAtMs: number;
  /** Recent time between two arrivals, in milliseconds; Infinity before there were two. */
  readonly gapMs: number;
}

/**
 * Whether a batch leaves now, with how many rows at most, or until when it is held back for more. Without a delay it
 * always leaves: what arrives during its run is the next batch.
 */
export function decideBatch(
  { rows, headAtMs, gapMs }: Waiting,
  { cap, delayMs }: { readonly cap: number; readonly delayMs: number },
  nowMs: number,
): { readonly send: number } | { readonly waitUntilMs: number } {
  const waitUntilMs = headAtMs + delayMs;
  if (rows < cap && nowMs < waitUntilMs && gapMs < delayMs / 2) return { waitUntilMs };
  return { send: Math.min(rows, cap) };
}

/** What a batch may hold. A row that alone is over the limit of bytes goes alone; none is over that of tokens, see `RunShape`. */
export interface BatchLimits {
  readonly rows: number;
  /** Rows times the longest of them. */
  readonly tokens: number;
  readonly bytes: number;
}

/** What a waiting call would bring into a batch. */
export interface CallSize {
  /** Rows that wait. */
  readonly rows: number;
  /** Estimated tokens of its longest row; 0 where the model reads no text. */
  readonly rowTokens: number;
  readonly rowBytes: number;
  /** Whether it may go in parts. */
  readonly splittable: boolean;
}

/**
 * How many rows of each call, in order, make one batch. A call that fits into a batch of its own is not cut; a larger
 * one gives as many rows as there is room for. There is at least a row, if there is a call.
 */
export function composeBatch(calls: Iterable<CallSize>, limits: BatchLimits): readonly number[] {
  const taken: number[] = [];
  let [rows, longest, bytes] = [0, 0, 0];
  for (const call of calls) {
    longest = Math.max(longest, call.rowTokens);
    const room = Math.floor(
      Math.min(limits.rows - rows, limits.tokens / longest - rows, (limits.bytes - bytes) / call.rowBytes),
    );
    const count = countOf(call, { room, isFirst: rows === 0, limits });
    if (count === 0) return taken;
    taken.push(count);
    rows += count;
    bytes += count * call.rowBytes;
    if (count < call.rows) return taken;
  }
  return taken;
}

interface Room {
  readonly room: number;
  readonly isFirst: boolean;
  readonly limits: BatchLimits;
}

function countOf(call: CallSize, { room, isFirst, limits }: Room): number {
  if (call.rows <= room) return call.rows;
  if (!call.splittable) return isFirst ? call.rows : 0;
  const ownRoom = Math.min(limits.rows, limits.tokens / call.rowTokens, limits.bytes / call.rowBytes);
  const isLarge = call.rows > ownRoom;
  if (isFirst) return Math.max(1, room);
  return isLarge ? Math.max(0, room) : 0;
}

/** What a prediction of the wait depends on. */
export interface Load {
  /** Rows that would run before the call. */
  readonly rowsAhead: number;
  /** Recent rows per millisecond of the version while rows waited; undefined before there is an estimate. */
  readonly rowsPerMs: number | undefined;
  /** Expected time of the batch that the call would be in, in milliseconds; 0 before there is an estimate. */
  readonly serviceMs: number;
}

/** Estimates are means: without a margin half of the calls that are only just in time would be late, and run in vain. */
const MARGIN = 1.25;
/** The least and the most that a client is told to wait, in milliseconds. */
const RETRY_MS = { least: 1_000, most: 30_000 };

/**
 * Whether a call can be answered by its deadline; if not, when it would be worth to try again. A call that nobody stands
 * before is always let in, so that an estimate that is wrong is measured anew.
 */
export function admit(
  { rowsAhead, rowsPerMs, serviceMs }: Load,
  leftMs: number,
): 'yes' | { readonly retryAfterMs: number } {
  if (rowsAhead === 0 || rowsPerMs === undefined) return 'yes';
  const excessMs = MARGIN * (rowsAhead / rowsPerMs + serviceMs) - leftMs;
  return excessMs <= 0 ? 'yes' : { retryAfterMs: retryAfter(excessMs) };
}

/** What a client that was refused is told to wait, in milliseconds. */
export function retryAfter(excessMs: number): number {
  return Math.min(Math.max(excessMs, RETRY_MS.least), RETRY_MS.most);
}
