import { join } from 'node:path';
import type { BatchResult, SlotStatus } from '@app/inference';
import type { ModelVersion } from '@app/model-registry';
import { eventually, tiny } from '@app/testing';
import { PoolHarness, floats, integer, integerOf, isThere, numbersOf, signalBusy } from './execution-harness';

/** Loop trips that last for a few tenths of a second. */
const TRIPS = 30_000;
const ENDLESS = 1e9;

describe('executors that die', () => {
  /** Runs `slow` and calls `onRun` each time a process begins with it. */
  const runSlow = (pool: PoolHarness, version: ModelVersion, onRun: (time: number) => void): Promise<BatchResult> => {
    let times = 0;
    // The batch is sent in the same turn as onStart is called; the process is busy one turn later.
    const onStart = (): void => void setImmediate(() => onRun((times += 1)));
    return pool.run(version, { trips: integer(TRIPS) }, { onStart });
  };

  it.each(['SIGKILL', 'SIGSEGV', 'SIGABRT'] as const)('answers a batch whose process gets %s, once', async (signal) => {
    await using pool = await PoolHarness.start();
    const slow = await pool.write('slow', tiny.slow());
    const killed: number[] = [];
    const runs: number[] = [];
    const result = await runSlow(pool, slow, (time) => {
      runs.push(time);
      if (time === 1) killed.push(signalBusy(pool, signal));
    });
    expect(integerOf(result.outputs[0]['done'])).toBe(TRIPS);
    expect(runs).toEqual([1, 2]);
    expect(killed.map(isThere)).toEqual([false]);
    await eventually(() => pool.executor.status().slots.length === 2);
  });

  it('loses no batch of another model when a process dies', async () => {
    await using pool = await PoolHarness.start({ concurrency: 2 });
    const slow = await pool.write('slow', tiny.slow());
    const other = await pool.write('other', tiny.identity('FP32', ['rows', 1]));
    await Promise.all([pool.executor.load(slow), pool.executor.load(other)]);
    const dying = runSlow(pool, slow, (time) => time === 1 && signalBusy(pool, 'SIGKILL'));
    const inputs = Array.from({ length: 50 }, (_, at) => at);
    const answers = await Promise.all(inputs.map((value) => pool.run(other, { x: floats([value]) })));
    expect(answers.map(({ outputs }) => numbersOf(outputs[0]['y'])[0])).toEqual(inputs);
    await expect(dying).resolves.toBeDefined();
  });

  it('ends a batch that hangs at the hard timeout, and replaces its process', async () => {
    await using pool = await PoolHarness.start();
    const slow = await pool.write('slow', tiny.slow(), { execution: { hardTimeoutMs: 500 } });
    const stopped: number[] = [];
    const run = runSlow(pool, slow, () => stopped.push(signalBusy(pool, 'SIGSTOP')));
    await expect(run).rejects.toMatchObject({ code: 'deadline_exceeded', stage: 'executing' });
    expect(stopped).toHaveLength(1);
    await eventually(() => pool.slotsIn('idle').length === 2);
    expect(isThere(stopped[0])).toBe(false);
    const after = await pool.run(slow, { trips: integer(1) });
    expect(integerOf(after.outputs[0]['done'])).toBe(1);
  });

  it('replaces an idle process that no longer answers', async () => {
    await using pool = await PoolHarness.start({ timings: { pingEveryMs: 50, pongMs: 500 } });
    const [first] = await eventually(() => pool.slotsIn('idle').length === 2 && pool.slotsIn('idle'));
    process.kill(first.pid!, 'SIGSTOP');
    await eventually(() => !isThere(first.pid!));
    await eventually(() => pool.slotsIn('idle').length === 2);
    expect(pool.executor.status().restarts).toBe(1);
  });

  it('loads and runs elsewhere what a process was given after it had stopped, and blames neither model nor input', async () => {
    // Only what is asked of a process shows here that it stopped; a run of its own may last for minutes.
    const timings = { pingEveryMs: 600_000, pongMs: 500, quietMs: 0, respawnMs: [0], crashLimit: 1 };
    await using pool = await PoolHarness.start({ timings });
    const execution = { hardTimeoutMs: 600_000 };
    const model = await pool.write('model', tiny.identity('FP32', ['rows', 1]), { execution });
    const stopAll = async (): Promise<readonly number[]> => {
      const idle = await eventually(() => pool.slotsIn('idle').length === 2 && pool.slotsIn('idle'));
      const pids = idle.map(({ pid }) => pid!);
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      return pids;
    };
    const stoppedBefore = await stopAll();
    await expect(pool.executor.load(model)).rejects.toMatchObject({
      code: 'model_load_failed',
      message: expect.stringContaining('did not answer'),
    });
    await expect(pool.executor.load(model)).resolves.toBeDefined();
    expect(stoppedBefore.map(isThere)).toEqual([false, false]);

    const holder = pool.executor.status().slots.find(({ holds }) => holds.length > 0)!.pid!;
    process.kill(holder, 'SIGSTOP');
    const onStart = jest.fn();
    const { outputs } = await pool.run(model, { x: floats([7]) }, { onStart });
    expect(numbersOf(outputs[0]['y'])).toEqual([7]);
    expect(onStart).toHaveBeenCalledTimes(2);
    expect(isThere(holder)).toBe(false);
    expect(pool.reports.filter(({ report }) => 'state' in report && report.state === 'failed')).toEqual([]);
  });

  it('replaces an idle process that holds more memory than it may', async () => {
    await using pool = await PoolHarness.start({ processLimitBytes: 1, timings: { memoryEveryMs: 20, healthyMs: 0 } });
    const first = await eventually(() => pool.slotsIn('idle').length > 0 && pool.slotsIn('idle'));
    await eventually(() => first.every(({ pid }) => !isThere(pid!)));
    expect(pool.lines).toContainEqual(expect.stringContaining('it holds too much memory'));
  });

  it('kills a process whose run stays over its memory, and no version takes more than two with it', async () => {
    await using roomy = await PoolHarness.start();
    const slow = await roomy.write('slow', tiny.slow());
    await roomy.executor.load(slow);
    const directories = {
      modelDirectory: join(roomy.directory, 'models'),
      probeDirectory: join(roomy.directory, 'probes'),
    };
    await using narrow = await PoolHarness.start({
      ...directories,
      processLimitBytes: 1,
      timings: { memoryEveryMs: 50, respawnMs: [0] },
    });
    const run = narrow.run(slow, { trips: integer(ENDLESS) });
    await expect(run).rejects.toMatchObject({ code: 'executor_crashed' });
    expect(narrow.executor.status().restarts).toBe(2);
  });

  it('ends a run that takes too much memory, and answers every call of another model meanwhile', async () => {
    await using pool = await PoolHarness.start({
      concurrency: 2,
      processLimitBytes: 220_000_000,
      timings: { memoryEveryMs: 10, respawnMs: [0] },
    });
    const greedy = await pool.write('greedy', tiny.identity('FP32', ['rows', 1]), { execution: { instances: 1 } });
    const modest = await pool.write('modest', tiny.adds(1), { execution: { instances: 1 } });
    await Promise.all([pool.executor.load(greedy), pool.executor.load(modest)]);
    let ended = false;
    const large = { x: { dtype: 'FP32', shape: [30_000_000, 1], bytes: new Uint8Array(120_000_000) } } as const;
    const run = pool.run(greedy, large).finally(() => (ended = true));
    const meanwhile = (async () => {
      const answers: number[] = [];
      while (!ended) answers.push(numbersOf((await pool.run(modest, { x: floats([1]) })).outputs[0]['y'])[0]);
      return answers;
    })();
    await expect(run).rejects.toMatchObject({ code: 'executor_crashed' });
    const answers = await meanwhile;
    expect(answers.length).toBeGreaterThan(1);
    expect(new Set(answers)).toEqual(new Set([2]));
    expect(pool.executor.status().restarts).toBe(2);
    expect(pool.lines.filter((line) => line.includes('executor ended: memory'))).toHaveLength(2);
  });

  it('refuses a version whose probe takes more memory than a process may have', async () => {
    await using pool = await PoolHarness.start({ processLimitBytes: 1 });
    const version = await pool.write('same', tiny.identity('FP32'));
    await expect(pool.executor.load(version)).rejects.toMatchObject({
      code: 'model_load_failed',
      message: expect.stringContaining('memory'),
    });
  });

  it('loads again what a dead process held', async () => {
    await using pool = await PoolHarness.start();
    const pinned = await pool.write('pinned', tiny.identity('FP32'), { manifest: { pinned: true } });
    const plain = await pool.write('plain', tiny.identity('FP32'));
    await pool.executor.load(plain);
    await pool.executor.load(pinned);
    const holders = pool.executor.status().slots.filter(({ holds }) => holds.length > 0);
    for (const { pid } of holders) process.kill(pid!, 'SIGKILL');
    await eventually(() => holders.every(({ pid }) => !isThere(pid!)));
    await eventually(() => pool.executor.status().slots.flatMap(({ holds }) => holds).length === 2);
    expect(pool.executor.status().resident).toHaveLength(2);
  });

  it('makes a version unavailable whose processes die three times, serves the others, and recovers by itself', async () => {
    await using pool = await PoolHarness.start({ timings: { respawnMs: [0], crashPauseMs: 200 } });
    const slow = await pool.write('slow', tiny.slow());
    const other = await pool.write('other', tiny.identity('FP32', ['rows', 1]));
    const kill = (): void => void signalBusy(pool, 'SIGKILL');
    await expect(runSlow(pool, slow, kill)).rejects.toMatchObject({ code: 'executor_crashed' });
    await expect(runSlow(pool, slow, kill)).rejects.toMatchObject({ code: 'model_unavailable' });
    const report = pool.reports.findLast(({ model }) => model === 'slow')?.report;
    expect(report).toMatchObject({ state: 'failed', reason: expect.stringContaining('crash_loop') });

    const early = await pool.executor.load(slow).catch((error: unknown) => error);
    expect(early).toMatchObject({ code: 'model_unavailable', retryAfterMs: expect.any(Number) });
    const answer = await pool.run(other, { x: floats([7]) });
    expect(numbersOf(answer.outputs[0]['y'])).toEqual([7]);

    const probed = pool.countOf('slow', 'probing');
    await eventually(() => pool.executor.load(slow));
    expect(pool.countOf('slow', 'probing')).toBe(probed + 1);
    const healed = await pool.run(slow, { trips: integer(3) });
    expect(integerOf(healed.outputs[0]['done'])).toBe(3);
  });

  it('refuses an input that crashed two processes, without another try, and serves others of the same model', async () => {
    await using pool = await PoolHarness.start({ timings: { respawnMs: [0], crashLimit: 100 } });
    const slow = await pool.write('slow', tiny.slow());
    const crash = runSlow(pool, slow, () => signalBusy(pool, 'SIGSEGV'));
    await expect(crash).rejects.toMatchObject({ code: 'executor_crashed' });
    const again = jest.fn();
    await expect(runSlow(pool, slow, again)).rejects.toMatchObject({ code: 'input_quarantined' });
    expect(again).not.toHaveBeenCalled();
    const { outputs } = await pool.run(slow, { trips: integer(3) });
    expect(integerOf(outputs[0]['done'])).toBe(3);
  });

  it('runs no more than one suspect at a time, though a process is free for another: a poison kills two', async () => {
    await using pool = await PoolHarness.start({ concurrency: 2, timings: { respawnMs: [0], crashLimit: 100 } });
    const slow = await pool.write('slow', tiny.slow(), { execution: { instances: 2 } });
    const held = (slots: readonly SlotStatus[]): number => slots.filter(({ holds }) => holds.length > 0).length;
    const busy = (): readonly number[] => pool.slotsIn('busy').map(({ pid }) => pid!);
    const killBusy = async (): Promise<void> => {
      const pids = busy();
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await eventually(() => busy().every((pid) => !pids.includes(pid)));
    };
    await pool.executor.load(slow);
    await eventually(() => held(pool.slotsIn('idle')) === 2);
    const poisons = [ENDLESS, ENDLESS + 1].map((trips) => pool.run(slow, { trips: integer(trips) }));
    const outcomes = Promise.allSettled(poisons);
    await eventually(() => busy().length === 2);
    await killBusy();
    // One runs again, the other waits, though its model is back in a second process.
    await eventually(() => busy().length === 1 && held(pool.slotsIn('idle')) === 1);
    expect(pool.executor.status()).toMatchObject({ running: 1, waiting: 1 });
    await killBusy();
    await eventually(() => busy().length === 1);
    await killBusy();
    const crashed = { status: 'rejected', reason: expect.objectContaining({ code: 'executor_crashed' }) };
    expect(await outcomes).toEqual([crashed, crashed]);
    expect(pool.executor.status().restarts).toBe(4);
  });
});
