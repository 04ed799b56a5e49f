import { hash } from 'node:crypto';

const STEPS = 2 ** 48;

/**
 * Whether a row is in the sample: the same key is in it or not in every process and at all times, and what is in a smaller
 * sample is in a larger one.
 */
export function isSampled(key: string, rate: number): boolean {
  if (rate >= 1) return true;
  return Number.parseInt(hash('sha256', key, 'hex').slice(0, 12), 16) / STEPS < rate;
}
