import { QuaysideError, tensorOf } from '@app/core';
import { DEFAULT_MANIFEST, type ModelVersion } from '@app/model-registry';
import { FakeExecutor, ManualClock, aModelVersion } from '@app/testing';
import { ModelScheduler } from './model-scheduler';
import type { ScheduledCall, ScheduledResult } from './scheduled-call';

const iris = aModelVersion({ model: 'iris' });
const singly = aModelVersion({
  model: 'singly',
  manifest: { ...DEFAULT_MANIFEST, batching: { ...DEFAULT_MANIFEST.batching, maxRows: 1 } },
});

interface Parts {
  readonly of?: ModelVersion;
  readonly priority?: ScheduledCall['priority'];
  readonly deadlineAtMs?: number;
  readonly client?: AbortController;
}

function build(queueLimitRows = 100) {
  const executor = new FakeExecutor();
  const clock = new ManualClock();
  const scheduler = new ModelScheduler(executor, clock, { queueLimitRows, queueLimitBytes: 10_000 });
  const submit = (rows: number, parts: Parts = {}): Promise<ScheduledResult> => {
    const { of = iris, priority, deadlineAtMs = 100_000, client = new AbortController() } = parts;
    const x = tensorOf(
      'FP32',
      [rows, 1],
      Array.from({ length: rows }, (_, row) => row),
    );
    const input = { rows, splittable: true, tensors: { x }, parameters: {}, outputs: [] };
    const context = { requestId: 'r', traceparent: '', deadlineAtMs, signal: client.signal };
    return scheduler.submit({ version: of, input, context, priority });
  };
  return { executor, clock, scheduler, submit };
}

/** As `build`, with a call of one row that runs until `executor.release()`. */
async function busy(of = iris) {
  const built = build();
  built.executor.hang();
  const running = built.submit(1, { of });
  await built.executor.hasStarted(1);
  return { ...built, running };
}

describe('the statistics of a scheduler', () => {
  it('are zeros for a version that was never called, with the verdict that its load gave', () => {
    const { scheduler } = build(7);
    const nothing = { calls: 0, rows: 0, oldestMs: 0, waits: { count: 0, totalMs: 0 } };
    expect(scheduler.statistics(iris)).toMatchObject({
      ...{ queuedRows: 0, limitRows: 7, runningBatches: 0, batches: 0, answered: 0, queues: [] },
      waiting: { online: nothing, bulk: nothing },
    });
    expect(scheduler.statistics(iris)).not.toHaveProperty('batching');
    scheduler.loaded(iris, { batching: { batchable: true, reason: 'It was tried.' } });
    expect(scheduler.statistics(iris).batching).toEqual({ batchable: true, reason: 'It was tried.' });
  });

  it('do not let what was found go before what the manifest says', () => {
    const { scheduler } = build();
    const off = {
      ...iris,
      manifest: { ...iris.manifest, batching: { ...iris.manifest.batching, mode: 'off' } },
    } as const;
    scheduler.loaded(off, { batching: { batchable: true, reason: 'It was tried.' } });
    expect(scheduler.statistics(off).batching).toMatchObject({ batchable: false });
  });

  it('tell how many calls and rows wait, for whom, and since when', async () => {
    const { scheduler, executor, clock, submit, running } = await busy();
    const waiting = [submit(2), submit(3, { priority: 'bulk' })];
    await clock.advance(40);
    waiting.push(submit(1));
    await clock.advance(10);
    expect(scheduler.statistics(iris)).toMatchObject({
      ...{ queuedRows: 6, runningBatches: 1 },
      waiting: { online: { calls: 2, rows: 3, oldestMs: 50 }, bulk: { calls: 1, rows: 3, oldestMs: 50 } },
      queues: [
        { priority: 'online', queuedRows: 3 },
        { priority: 'bulk', queuedRows: 3 },
      ],
    });
    executor.release();
    await Promise.all([running, ...waiting]);
    expect(scheduler.statistics(iris)).toMatchObject({
      ...{ answered: 4, batchesByRows: { 1: 1, 3: 2 }, rows: 7 },
      waiting: {
        online: { calls: 0, oldestMs: 0, waits: { count: 3, totalMs: 60, recent: { p50Ms: 10, maxMs: 50 } } },
        bulk: { calls: 0, oldestMs: 0, waits: { count: 1, totalMs: 50 } },
      },
    });
  });

  it('count a call of which a part runs as one that waits', async () => {
    const { scheduler, executor, submit } = build();
    executor.hang();
    const large = submit(3, { of: singly });
    await executor.hasStarted(1);
    expect(scheduler.statistics(singly).waiting.online).toMatchObject({ calls: 1, rows: 2 });
    executor.release();
    await large;
    expect(scheduler.statistics(singly)).toMatchObject({ answered: 1, batchesByRows: { 1: 3 } });
    expect(scheduler.statistics(singly).waiting.online.waits.count).toBe(1);
  });

  it('tell how long batches ran, lately and in all', async () => {
    const { scheduler, executor, clock, submit } = build();
    executor.lasts(clock, () => 20);
    const answers = [submit(1)];
    await clock.advance(20);
    answers.push(submit(1));
    await clock.advance(20);
    await Promise.all(answers);
    const spread = { count: 2, p50Ms: 20, p99Ms: 20, maxMs: 20 };
    expect(scheduler.statistics(iris).runs).toEqual({ count: 2, totalMs: 40, recent: spread });
    await clock.advance(60_000);
    expect(scheduler.statistics(iris).runs).toEqual({ count: 2, totalMs: 40 });
  });

  it('tell apart how calls ended, and count what those waited that never ran', async () => {
    const { scheduler, executor, clock, submit, running } = await busy();
    const client = new AbortController();
    const outcomes = Promise.allSettled([submit(1, { client }), submit(1, { deadlineAtMs: 30 }), submit(1000)]);
    await clock.advance(10);
    client.abort();
    await clock.advance(20);
    executor.release();
    await running;
    executor.fail('input_quarantined');
    await expect(submit(1)).rejects.toBeInstanceOf(QuaysideError);
    executor.fail('inference_failed');
    await expect(submit(1)).rejects.toBeInstanceOf(QuaysideError);
    await outcomes;
    expect(scheduler.statistics(iris)).toMatchObject({
      ...{ answered: 1, shed: 1, expired: 1, cancelled: 1, quarantined: 1, failed: 1 },
      waiting: { online: { waits: { count: 5, totalMs: 40 } } },
    });
  });
});
