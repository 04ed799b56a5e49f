import { tensorOf } from '@app/core';
import { ManualClock } from '@app/testing';
import * as fc from 'fast-check';
import { CacheCounters } from './cache-counters';
import { type KeptResult, MemoryResults } from './memory-results';

function build(maxBytes = 1_000_000) {
  const clock = new ManualClock();
  const counters = new CacheCounters();
  return { clock, counters, memory: new MemoryResults({ maxBytes, clock, counters }) };
}

function aResult(result: Partial<KeptResult> = {}): KeptResult {
  return { model: 'iris', output: { y: tensorOf('INT8', [1], [1]) }, sizeBytes: 100, ttlMs: 1000, ...result };
}

describe(MemoryResults.name, () => {
  it('never holds more bytes than it may, overhead counted, whatever is put in', () => {
    const put = fc.record({ key: fc.nat(40), sizeBytes: fc.nat(3000), model: fc.constantFrom('a', 'b') });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30_000 }), fc.array(put, { maxLength: 100 }), (maxBytes, puts) => {
        const { memory, counters } = build(maxBytes);
        for (const { key, sizeBytes, model } of puts) {
          memory.set(String(key), aResult({ sizeBytes, model }));
          const [a, b] = [counters.read('a'), counters.read('b')];
          expect(a.bytes + b.bytes).toBeLessThanOrEqual(maxBytes);
          expect(a.bytes + b.bytes).toBeGreaterThanOrEqual(500 * (a.entries + b.entries));
        }
      }),
    );
  });

  it('lets the least recently used go first', () => {
    const { memory, counters } = build(20_000);
    let count = 0;
    while (counters.read('iris').evictions === 0) {
      memory.set(`key ${count++}`, aResult());
      expect(memory.get('key 0')).toBeDefined();
    }
    expect(memory.get('key 1')).toBeUndefined();
    expect(memory.get('key 2')).toBeDefined();
  });

  it('takes no single result of more than a sixteenth', () => {
    const { memory, counters } = build(160_000);
    expect(memory.set('large', aResult({ sizeBytes: 10_001 }))).toBe(false);
    expect(memory.get('large')).toBeUndefined();
    expect(memory.set('fits', aResult({ sizeBytes: 9000 }))).toBe(true);
    expect(counters.read('iris')).toMatchObject({ entries: 1, evictions: 0 });
  });

  it('gives nothing after its time, however often it was asked for, and though the date jumps', async () => {
    const { memory, clock, counters } = build();
    memory.set('a', aResult());
    await clock.advance(1000);
    clock.jumpEpoch(10 ** 10);
    expect(memory.get('a')).toBeDefined();
    await clock.advance(1);
    expect(memory.get('a')).toBeUndefined();
    expect(counters.read('iris')).toMatchObject({ entries: 0, bytes: 0, expiries: 1, evictions: 0 });
  });

  it('counts what it holds for each model, and nothing once it is cleared', () => {
    const { memory, counters } = build();
    memory.set('a', aResult());
    memory.set('b', aResult({ model: 'wine' }));
    memory.set('b', aResult({ model: 'wine' }));
    expect(counters.read('iris').entries).toBe(1);
    expect(counters.read('wine')).toMatchObject({ entries: 1, evictions: 0 });
    memory.clear();
    expect(counters.read('wine')).toMatchObject({ entries: 0, bytes: 0, evictions: 0 });
  });
});
