import { isQuaysideError } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import { eventually, tiny } from '@app/testing';
import { PoolHarness, floats, integer, integerOf, numbersOf } from '../integration/execution-harness';
import { keepMeasures } from './measures';

const SECONDS = Number(process.env['STORM_SECONDS'] ?? 20);
const SEED = Number(process.env['STORM_SEED'] ?? Date.now() % 1_000_000);
const CLIENTS = 8;
/** A process that is stopped while it loads, or killed twice, makes the load fail, too. */
const EXPECTED = [
  'client_closed',
  'executor_crashed',
  'deadline_exceeded',
  'model_unavailable',
  'model_capacity',
  'model_load_failed',
];
const SIGNALS = ['SIGKILL', 'SIGSEGV', 'SIGSTOP', 'SIGABRT'] as const;

/** Even numbers in [0, 1) that a seed decides: https://github.com/bryc/code/blob/master/jshash/PRNGs.md#mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A storm takes its time: nothing is waited for here. */
function pause(ms: number): Promise<void> {
  // eslint-disable-next-line no-restricted-syntax
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe('executors in a storm', () => {
  it(`settle every batch once and rightly, and are as before when it is over (seed ${SEED})`, async () => {
    const random = randomOf(SEED);
    const counts: Record<string, number> = { answered: 0, kills: 0 };
    await using pool = await PoolHarness.start({
      concurrency: 2,
      maxCached: 3,
      timings: {
        respawnMs: [0, 20, 50],
        crashLimit: 8,
        crashPauseMs: 100,
        crashLongestPauseMs: 500,
        pingEveryMs: 200,
        helloMs: 5_000,
        loadMs: 5_000,
      },
    });
    const execution = { hardTimeoutMs: 1_500 };
    const names = ['a', 'b', 'c', 'd'];
    const same = await Promise.all(
      names.map((name) => pool.write(name, tiny.identity('FP32', ['rows', 1]), { execution })),
    );
    const slow = await pool.write('slow', tiny.slow(), { execution });
    const any = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)];
    let stopped = false;
    const strange: unknown[] = [];

    const check = async (version: ModelVersion, signal: AbortSignal): Promise<void> => {
      const value = Math.floor(random() * 1000);
      if (version === slow) {
        const { outputs } = await pool.run(slow, { trips: integer(value * 5) }, { signal });
        if (integerOf(outputs[0]['done']) !== value * 5) strange.push(`slow answered for another than ${value}`);
      } else {
        const { outputs } = await pool.run(version, { x: floats([value]) }, { signal });
        if (numbersOf(outputs[0]['y'])[0] !== value)
          strange.push(`${version.model} answered for another than ${value}`);
      }
      counts['answered'] += 1;
    };
    const once = async (): Promise<void> => {
      const client = new AbortController();
      if (random() < 0.1) setTimeout(() => client.abort(), random() * 30).unref();
      const version = any([...same, slow]);
      if (random() < 0.02) return pool.executor.unload(version);
      await check(version, client.signal);
    };
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (!stopped) {
        await once().catch((error: unknown) => {
          const code = isQuaysideError(error) ? error.code : String(error);
          counts[code] = (counts[code] ?? 0) + 1;
          if (!EXPECTED.includes(code)) strange.push(error);
        });
        // Refusals come at once: without a pause the clients would leave no time for anything else.
        await pause(1);
      }
    });
    const striker = (async () => {
      while (!stopped) {
        await pause(50 + random() * 400);
        const { pid } = any(pool.executor.status().slots) ?? {};
        if (pid === undefined) continue;
        process.kill(pid, any(SIGNALS));
        counts['kills'] += 1;
      }
    })();
    await pause(SECONDS * 1000);
    stopped = true;
    await Promise.all([...clients, striker]);

    expect(strange).toEqual([]);
    await eventually(() => pool.slotsIn('idle').length === 3);
    expect(pool.executor.status()).toMatchObject({ running: 0, waiting: 0 });
    expect(pool.executor.status().resident.length).toBeLessThanOrEqual(3);
    for (const version of same) {
      const answer = await eventually(() => pool.run(version, { x: floats([1]) }));
      expect(numbersOf(answer.outputs[0]['y'])).toEqual([1]);
    }
    const held = new Set(pool.executor.status().slots.flatMap(({ holds }) => holds));
    expect([...held].sort()).toEqual(
      pool.executor
        .status()
        .resident.map(({ key }) => key)
        .sort(),
    );
    await keepMeasures('execution-storm', {
      seconds: SECONDS,
      seed: SEED,
      ...counts,
      restarts: pool.executor.status().restarts,
    });
  }, 300_000);
});
