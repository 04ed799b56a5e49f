import { v7 } from 'uuid';
import { randomBytes } from './random';

const UUID_BYTES = 16;
let lastMs = 0;
let sequence = 0;

/** A new UUIDv7: unique over processes, and later than all that this process made before, also within a millisecond. */
export function newId(): string {
  const random = randomBytes(UUID_BYTES);
  const now = Date.now();
  // Within a millisecond, and while the clock was set back, the sequence goes on from a start that has room above it.
  sequence = now > lastMs ? random.readUInt32BE() >>> 1 : sequence + 1;
  lastMs = Math.max(lastMs, now);
  return v7({ random, msecs: lastMs, seq: sequence });
}
