import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 4096;
const pool = Buffer.alloc(POOL_BYTES);
let unusedFrom = POOL_BYTES;

/**
 * So many bytes of the system's secure random numbers, each given once; valid until the next call. They are fetched in
 * advance: a call into the generator takes some microseconds, whether it is for 16 bytes or for thousands.
 */
export function randomBytes(count: number): Buffer {
  if (unusedFrom + count > POOL_BYTES) {
    randomFillSync(pool);
    unusedFrom = 0;
  }
  unusedFrom += count;
  return pool.subarray(unusedFrom - count, unusedFrom);
}
