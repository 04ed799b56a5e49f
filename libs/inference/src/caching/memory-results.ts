import type { Clock } from '@app/core';
import { LRUCache } from 'lru-cache';
import type { TaskOutput } from '../tasks/task';
import type { CacheCounters } from './cache-counters';

/** A result as it is kept. */
export interface KeptResult {
  readonly model: string;
  readonly output: TaskOutput;
  /** What it holds beside the entry itself. */
  readonly sizeBytes: number;
  /** How long it may be given, from now on. */
  readonly ttlMs: number;
}

/** What an entry costs beside its bytes: key, list and map, buffer, and each tensor's objects (measured: 1,482 bytes with four). */
const ENTRY_BYTES = 512;
const TENSOR_BYTES = 256;

/** No single result may push out more than this share of the others. */
const LARGEST_SHARE = 1 / 16;

/**
 * Results in the memory of this process: at most so many bytes with all overhead counted, the least recently used one
 * goes first. None is given after its time, by the monotonic clock. Tells the counters what it keeps and lets go.
 */
export class MemoryResults {
  private readonly entries: LRUCache<string, KeptResult>;

  constructor(options: { readonly maxBytes: number; readonly clock: Clock; readonly counters: CacheCounters }) {
    const { maxBytes, clock, counters } = options;
    this.entries = new LRUCache<string, KeptResult>({
      maxSize: Math.max(1, maxBytes),
      maxEntrySize: Math.max(1, Math.floor(maxBytes * LARGEST_SHARE)),
      sizeCalculation: costOf,
      // To lru-cache an entry of the moment 0 has no age, and time between two calls may not pass at all.
      perf: { now: () => clock.monotonicMs() + 1 },
      ttlResolution: 0,
      dispose: (kept, _key, reason) => {
        const counted = counters.of(kept.model);
        counted.entries -= 1;
        counted.bytes -= costOf(kept);
        if (reason === 'evict') counted.evictions += 1;
        if (reason === 'expire') counted.expiries += 1;
      },
      onInsert: (kept) => {
        const counted = counters.of(kept.model);
        counted.entries += 1;
        counted.bytes += costOf(kept);
      },
    });
  }

  /** The result of a key, which then counts as just used. */
  get(key: string): TaskOutput | undefined {
    return this.entries.get(key)?.output;
  }

  /** Keeps a result, unless it is too large. True when it was kept. */
  set(key: string, kept: KeptResult): boolean {
    this.entries.set(key, kept, { ttl: kept.ttlMs });
    return this.entries.has(key);
  }

  /** Lets all go. */
  clear(): void {
    this.entries.clear();
  }
}

/** What an entry takes of the bound, in bytes. */
function costOf({ output, sizeBytes }: KeptResult): number {
  return ENTRY_BYTES + sizeBytes + TENSOR_BYTES * Object.keys(output).length;
}
