import type { ModelVersion } from '@app/model-registry';
import { tiny } from '@app/testing';
import { PoolHarness, integer } from '../integration/execution-harness';
import { keepMeasures, percentiles } from './measures';

const ROUNDS = 5;
const SECONDS = 10;
/** A run of some milliseconds, and one for every two runs that a CPU could do: half load. */
const TRIPS = 400;
const LOAD = 0.5;
const COLD_LOADS_PER_SECOND = 5;

/** Time passes between arrivals: nothing is waited for here. */
function pause(ms: number): Promise<void> {
  // eslint-disable-next-line no-restricted-syntax
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

describe('a hot model', () => {
  it('measures its tail at half load, alone and while cold models load beside it', async () => {
    await using pool = await PoolHarness.start({ maxCached: 3 });
    const hot = await pool.write('hot', tiny.slow(), { manifest: { pinned: true } });
    const cold = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((at) => pool.write(`cold-${at}`, tiny.large(20_000_000 + at))),
    );
    const run = (): Promise<unknown> => pool.run(hot, { trips: integer(TRIPS) });
    const timed = async (): Promise<number> => {
      const beganAt = performance.now();
      await run();
      return performance.now() - beganAt;
    };
    for (const version of [hot, ...cold]) await pool.executor.load(version);
    const alone = await inTurn(200, timed);
    const everyMs = percentiles(alone).p50 / LOAD;

    /** Arrivals at even distances, whether the last one is answered or not; an answer's time counts from its arrival. */
    const halfLoad = async (): Promise<number[]> => {
      const beganAt = performance.now();
      const answers: Promise<number>[] = [];
      for (let at = 0; at * everyMs < SECONDS * 1000; at += 1) {
        const dueAt = beganAt + at * everyMs;
        await pause(dueAt - performance.now());
        answers.push(run().then(() => performance.now() - dueAt));
      }
      return Promise.all(answers);
    };
    const rounds: object[] = [];
    const factors: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const quiet = percentiles(await halfLoad());
      const loads = loadInTurn(pool, cold);
      const beside = percentiles(await halfLoad());
      const loaded = await loads.stop();
      factors.push(beside.p99 / quiet.p99);
      rounds.push({ alone: quiet, beside, loaded });
      expect(loaded).toBeGreaterThan(1);
    }
    const p99 = factors.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)];
    await keepMeasures('cold-loads', {
      unit: 'ms',
      everyMs,
      coldLoadsPerSecond: COLD_LOADS_PER_SECOND,
      rounds,
      'p99 beside cold loads, as a multiple of that alone; median of the rounds': Math.round(p99 * 100) / 100,
    });
    expect(pool.executor.status().restarts).toBe(0);
  }, 300_000);
});

async function inTurn(times: number, work: () => Promise<number>): Promise<number[]> {
  const took: number[] = [];
  for (let at = 0; at < times; at += 1) took.push(await work());
  return took;
}

/** Loads at even distances, where there is room for few, until it is stopped; gives how many loads that were. */
function loadInTurn(pool: PoolHarness, versions: readonly ModelVersion[]): { stop: () => Promise<number> } {
  let stopped = false;
  let loaded = 0;
  const loading = (async () => {
    for (let dueAt = performance.now(); !stopped; dueAt += 1000 / COLD_LOADS_PER_SECOND) {
      await pause(dueAt - performance.now());
      await pool.executor.load(versions[loaded % versions.length]);
      loaded += 1;
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await loading;
      return loaded;
    },
  };
}
