import { monitorEventLoopDelay } from 'node:perf_hooks';
import { eventually, tiny } from '@app/testing';
import { PoolHarness, floats, integer, isThere } from '../integration/execution-harness';
import { keepMeasures, percentiles } from './measures';

describe('times of executors', () => {
  const measures: Record<string, unknown> = { unit: 'ms' };
  afterAll(() => keepMeasures('execution-times', measures));

  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const beganAt = performance.now();
    await work();
    return performance.now() - beganAt;
  };
  const repeated = async (times: number, work: () => Promise<unknown>): Promise<number[]> => {
    const took: number[] = [];
    for (let at = 0; at < times; at += 1) took.push(await timed(work));
    return took;
  };

  it('measures round trips of batches whose model does nothing, by the size of their tensor both ways', async () => {
    await using pool = await PoolHarness.start();
    const same = await pool.write('same', tiny.identity('FP32', [1, 'columns']));
    const sizes = { '100 B': 25, '4 kB': 1_000, '64 kB': 16_000, '600 kB': 150_000, '4 MB': 1_000_000 };
    for (const [name, columns] of Object.entries(sizes)) {
      const x = floats(new Array<number>(columns).fill(1));
      await repeated(50, () => pool.run(same, { x }));
      const took = await repeated(columns > 100_000 ? 100 : 2_000, () => pool.run(same, { x }));
      measures[`round trip, ${name}`] = percentiles(took);
    }
    expect(pool.executor.status().restarts).toBe(0);
  }, 300_000);

  it('measures how long a process takes to start, and to be replaced after a kill', async () => {
    const starts: number[] = [];
    for (let at = 0; at < 5; at += 1) {
      starts.push(
        await timed(async () => {
          await using pool = await PoolHarness.start();
          await eventually(() => pool.slotsIn('idle').length > 0);
        }),
      );
    }
    measures['first process of a pool of two is ready, with the pool closed again'] = percentiles(starts);
    await using pool = await PoolHarness.start({ timings: { respawnMs: [0] } });
    const replaced: number[] = [];
    for (let at = 0; at < 5; at += 1) {
      await eventually(() => pool.slotsIn('idle').length === 2);
      const victim = pool.slotsIn('idle')[0].pid!;
      process.kill(victim, 'SIGKILL');
      replaced.push(await timed(() => eventually(() => !isThere(victim) && pool.slotsIn('idle').length === 2)));
    }
    measures['from the kill of an idle process until its replacement is idle'] = percentiles(replaced);
    expect(pool.executor.status().restarts).toBe(5);
  }, 300_000);

  it('answers a batch whose process was killed within a second and the time of its load', async () => {
    await using pool = await PoolHarness.start({ timings: { respawnMs: [0], crashLimit: 100 } });
    const slow = await pool.write('slow', tiny.slow());
    await pool.executor.load(slow);
    const took: number[] = [];
    for (let at = 0; at < 5; at += 1) {
      let killedAt = 0;
      let begunAgainAt = 0;
      let begun = 0;
      const onStart = (): void => {
        begun += 1;
        if (begun === 2) begunAgainAt = performance.now();
        if (begun > 1) return;
        setImmediate(() => {
          killedAt = performance.now();
          pool.slotsIn('busy').forEach(({ pid }) => process.kill(pid!, 'SIGKILL'));
        });
      };
      await pool.run(slow, { trips: integer(20_000) }, { onStart });
      took.push(begunAgainAt - killedAt);
    }
    measures['from the kill of a busy process until its batch runs again'] = percentiles(took);
    expect(took).toHaveLength(5);
  }, 300_000);

  it('keeps the event loop of the parent free while models load and run', async () => {
    await using pool = await PoolHarness.start({ concurrency: 2, maxCached: 3 });
    const large = await Promise.all([1, 2, 3, 4].map((at) => pool.write(`large-${at}`, tiny.large(60_000_000 + at))));
    const hot = await pool.write('hot', tiny.identity('FP32', ['rows', 1]));
    await pool.executor.load(hot);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    let loading = true;
    const hotTimes: number[] = [];
    const traffic = (async () => {
      while (loading) hotTimes.push(await timed(() => pool.run(hot, { x: floats([1]) })));
    })();
    delay.enable();
    for (const version of large) await pool.executor.load(version);
    delay.disable();
    loading = false;
    await traffic;
    const p99 = delay.percentile(99) / 1e6;
    measures['event loop delay while four models of 60 MB load and another one runs'] = {
      p50: delay.percentile(50) / 1e6,
      p99,
      max: delay.max / 1e6,
    };
    measures['answers of the other model meanwhile'] = percentiles(hotTimes);
    expect(p99).toBeLessThan(20);
  }, 300_000);
});
