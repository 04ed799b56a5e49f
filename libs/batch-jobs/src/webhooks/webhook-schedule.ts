const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const WAITS_MS = [
  ...[5 * SECOND_MS, 5 * MINUTE_MS, 30 * MINUTE_MS],
  ...[2, 5, 10, 14, 20, 24].map((hours) => hours * HOUR_MS),
];
/** A wait is longer by up to this share of it, so that messages that failed together do not come back together. */
const JITTER = 0.1;

/** How often a message is sent at most. */
export const WEBHOOK_TRIES = WAITS_MS.length + 1;

/** How long after its n-th try, from 1 on, a message is sent again; `chance` is 0 to 1. */
export function webhookWaitMs(tries: number, chance: number): number {
  const wait = WAITS_MS[Math.min(tries, WAITS_MS.length) - 1] ?? 0;
  return Math.round(wait * (1 + JITTER * chance));
}

/** Whether this answer to the n-th try is the last word: it was taken, the receiver wants no more, or it was the last try. */
export function webhookEnds(status: number | undefined, tries: number): boolean {
  const isTaken = status !== undefined && status >= 200 && status < 300;
  return isTaken || status === 410 || tries >= WEBHOOK_TRIES;
}
