import { readFileSync } from 'node:fs';
import { tiny } from '@app/testing';
import { PoolHarness, floats } from '../integration/execution-harness';
import { keepMeasures } from './measures';

const CYCLES = 10;
const MEGABYTE = 1024 * 1024;

describe('memory of executors', () => {
  const rssOf = (pid: number): number => {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1];
    return (Number(kilobytes) * 1024) / MEGABYTE;
  };

  it('returns to its level after each load and release of a model of 100 MB, ten times over', async () => {
    await using pool = await PoolHarness.start();
    const large = await pool.write('large', tiny.large(100_000_000));
    const x = floats(Array.from({ length: 1024 }, (_, at) => at));
    const total = (): number => pool.executor.status().slots.reduce((sum, { pid }) => sum + rssOf(pid!), 0);
    const cycle = async (): Promise<{ loadedMb: number; releasedMb: number }> => {
      await pool.run(large, { x });
      const loadedMb = total();
      await pool.executor.unload(large);
      return { loadedMb, releasedMb: total() };
    };
    // Both processes have done it once before.
    await cycle();
    await cycle();
    const before = total();
    const cycles: Awaited<ReturnType<typeof cycle>>[] = [];
    for (let at = 0; at < CYCLES; at += 1) cycles.push(await cycle());
    await keepMeasures('execution-memory', { unit: 'MB, all processes of a pool of two', before, cycles });
    expect(cycles.at(-1)!.releasedMb - before).toBeLessThan(20);
    expect(Math.max(...cycles.map(({ loadedMb }) => loadedMb)) - before).toBeGreaterThan(90);
    expect(pool.executor.status().restarts).toBe(0);
  }, 300_000);
});
