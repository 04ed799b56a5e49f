import { QuaysideError, tensorOf, viewOf } from '@app/core';
import { DEFAULT_MANIFEST, type Manifest, type ModelVersion } from '@app/model-registry';
import { FakeExecutor, ManualClock, aModelVersion, echo } from '@app/testing';
import * as fc from 'fast-check';
import type { Batch } from '../execution/executor';
import type { TaskInput } from '../tasks/task';
import { ModelScheduler } from './model-scheduler';
import type { ScheduledCall, ScheduledResult } from './scheduled-call';

interface Parts {
  readonly of?: ModelVersion;
  readonly columns?: number;
  readonly deadlineAtMs?: number;
  readonly client?: AbortController;
  readonly priority?: ScheduledCall['priority'];
}

function versionOf(model: string, batching: Partial<Manifest['batching']> = {}): ModelVersion {
  return aModelVersion({
    model,
    manifest: { ...DEFAULT_MANIFEST, batching: { ...DEFAULT_MANIFEST.batching, ...batching } },
  });
}

const iris = versionOf('iris');

function aCall(values: readonly number[], parts: Parts = {}): ScheduledCall {
  const { of = iris, columns = 1, deadlineAtMs = 1e6, client = new AbortController(), priority } = parts;
  const rows = values.length / columns;
  const tensors = { x: tensorOf('FP32', [rows, columns], values) };
  const input: TaskInput = { rows, splittable: true, tensors, parameters: {}, outputs: [] };
  return {
    version: of,
    input,
    priority,
    context: { requestId: 'r', traceparent: '', deadlineAtMs, signal: client.signal },
  };
}

function build(concurrency = 1, queueLimitRows = 10_000) {
  const executor = new FakeExecutor(concurrency);
  const clock = new ManualClock();
  const scheduler = new ModelScheduler(executor, clock, { queueLimitRows, queueLimitBytes: 1e9 });
  return { executor, clock, scheduler };
}

/** The first value of each row of a batch. */
function valuesOf({ calls }: Batch): number[] {
  return calls.flatMap(({ tensors: { x } }) => {
    const values = viewOf(x, 'FP32');
    return Array.from({ length: x.shape[0] }, (_, row) => values[row * x.shape[1]]);
  });
}

/** A scheduler that runs one call and can run no other until `executor.release()`. */
async function busy(parts: Parts & { readonly concurrency?: number } = {}) {
  const built = build(parts.concurrency);
  built.executor.hang();
  const first = built.scheduler.submit(aCall([0], parts));
  await built.executor.hasStarted(1);
  return { ...built, first };
}

describe(`${ModelScheduler.name} and its batches`, () => {
  it('runs a lone call at once, and takes what came meanwhile together', async () => {
    const { scheduler, executor, first } = await busy();
    const others = [1, 2, 3].map((value) => scheduler.submit(aCall([value])));
    executor.release();
    await expect(first).resolves.toMatchObject({ queueMs: 0 });
    const answers = await Promise.all(others);
    expect(answers.map(({ output }) => [...viewOf(output['y'], 'FP32')])).toEqual([[1], [2], [3]]);
    expect(executor.batches.map(valuesOf)).toEqual([[0], [1, 2, 3]]);
  });

  it('takes no more rows than the manifest allows, and those of a large call in parts', async () => {
    const of = versionOf('iris', { maxRows: 3 });
    const { scheduler, executor } = await busy({ of });
    const large = scheduler.submit(aCall([1, 2, 3, 4, 5], { of }));
    const small = scheduler.submit(aCall([6], { of }));
    executor.release();
    await expect(large).resolves.toMatchObject({ output: { y: { shape: [5, 1] } } });
    await small;
    expect(executor.batches.map(valuesOf)).toEqual([[0], [1, 2, 3], [4, 5, 6]]);
  });

  it('never mixes calls whose rows have other shapes, outputs or versions', async () => {
    const { scheduler, executor } = await busy();
    const other = versionOf('wine');
    const calls = [aCall([1]), aCall([2, 2], { columns: 2 }), aCall([3], { of: other }), aCall([4])];
    const answers = calls.map((call) => scheduler.submit(call));
    executor.release();
    await Promise.all(answers);
    expect(executor.batches.map(valuesOf).sort()).toEqual([[0], [1, 4], [2], [3]]);
  });

  it.each([
    [
      'that may not be batched',
      iris,
      (executor: FakeExecutor) => executor.refuseBatching('It mixes rows.'),
      'It mixes rows.',
    ],
    ['whose manifest says so', versionOf('iris', { mode: 'off' }), (executor: FakeExecutor) => executor, 'mode: off'],
  ])('runs each row of a version %s by itself, and says why', async (_, of, prepare, reason) => {
    const { scheduler, executor } = build();
    prepare(executor);
    await Promise.all([scheduler.submit(aCall([1, 2], { of })), scheduler.submit(aCall([3], { of }))]);
    expect(executor.batches.map(valuesOf)).toEqual([[1], [2], [3]]);
    expect(scheduler.statistics(of)?.batching).toEqual({ batchable: false, reason: expect.stringContaining(reason) });
  });

  it('runs online before bulk, and still a batch of bulk among twenty', async () => {
    const of = versionOf('iris', { maxRows: 1 });
    const { scheduler, executor } = await busy({ of });
    const bulk = scheduler.submit(aCall([-1, -2], { of, priority: 'bulk' }));
    const online = Array.from({ length: 45 }, (_, at) => scheduler.submit(aCall([at + 1], { of })));
    executor.release();
    await Promise.all([bulk, ...online]);
    const order = executor.batches.flatMap(valuesOf);
    expect(order.indexOf(-1)).toBe(20);
    expect(order.indexOf(-2)).toBe(40);
  });

  it('lets a model in between the batches of one that floods', async () => {
    const flood = versionOf('flood', { maxRows: 1 });
    const calm = versionOf('calm');
    const { scheduler, executor, clock } = build();
    executor.lasts(clock, () => 10);
    const flooding = Array.from({ length: 50 }, (_, at) => scheduler.submit(aCall([at], { of: flood })));
    await clock.advance(200);
    const answer = scheduler.submit(aCall([-1], { of: calm }));
    await clock.advance(20);
    await expect(answer).resolves.toBeDefined();
    await clock.advance(1000);
    await Promise.all(flooding);
  });

  it('runs each call of a batch that failed by itself: only the guilty fail', async () => {
    const { scheduler, executor, first } = await busy();
    executor.answer((call, version) => {
      if (valuesOf({ calls: [call] } as unknown as Batch).includes(2))
        throw new QuaysideError('inference_failed', 'Two.');
      return echo(call, version);
    });
    const answers = [1, 2, 3].map((value) => scheduler.submit(aCall([value])));
    executor.release();
    await first;
    const outcomes = await Promise.allSettled(answers);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await expect(answers[1]).rejects.toMatchObject({ code: 'inference_failed' });
    expect(executor.batches.map(valuesOf)).toEqual([[0], [1, 2, 3], [1], [2], [3]]);
  });

  it('runs the calls of batches whose processes died once more, one suspect at a time', async () => {
    const { scheduler, executor, first } = await busy({ concurrency: 2 });
    const second = scheduler.submit(aCall([0]));
    await executor.hasStarted(2);
    const answers = [1, 2, 3, 4, 5, 6].map((value) => scheduler.submit(aCall([value])));
    executor.releaseOne();
    executor.releaseOne();
    await executor.hasStarted(4);
    expect(executor.batches.slice(2).map(valuesOf)).toEqual([
      [1, 2, 3, 4],
      [5, 6],
    ]);
    executor.crash();
    await executor.hasStarted(5);
    expect(executor.status()).toMatchObject({ running: 1, waiting: 0 });
    executor.release();
    await Promise.all([first, second, ...answers]);
    expect(executor.batches.slice(4).map(valuesOf)).toEqual([[1], [2], [3], [4], [5], [6]]);
    expect(executor.batches.slice(4).every(({ suspect }) => suspect)).toBe(true);
  });

  it('answers the others when one of a batch kills its process twice', async () => {
    const { scheduler, executor, first } = await busy();
    const answers = [1, 2, 3].map((value) => scheduler.submit(aCall([value])));
    const outcomes = Promise.allSettled(answers);
    executor.releaseOne();
    await first;
    await executor.hasStarted(2);
    executor.crash();
    for (const [count, value] of [
      [3, 1],
      [4, 2],
      [5, 3],
    ] as const) {
      await executor.hasStarted(count);
      expect(executor.batches.at(-1)).toMatchObject({ suspect: true });
      expect(valuesOf(executor.batches.at(-1)!)).toEqual([value]);
      if (value === 2) executor.crash();
      else executor.releaseOne();
    }
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await expect(answers[1]).rejects.toMatchObject({ code: 'executor_crashed' });
    executor.release();
  });

  it('runs the rows of a call apart whose process died, and names the guilty one', async () => {
    const { scheduler, executor } = build();
    executor.hang();
    const answer = scheduler.submit(aCall([1, 2, 3]));
    const outcome = expect(answer).rejects.toMatchObject({
      code: 'executor_crashed',
      details: [{ field: 'rows[1]', code: 'executor_crashed' }],
    });
    await executor.hasStarted(1);
    executor.crash();
    await executor.hasStarted(2);
    executor.releaseOne();
    await executor.hasStarted(3);
    expect(executor.batches.map(valuesOf)).toEqual([[1, 2, 3], [1], [2]]);
    executor.crash();
    await outcome;
    expect(executor.batches).toHaveLength(3);
  });

  it('joins what the rows of a call gave apart, where none was guilty', async () => {
    const { scheduler, executor } = build();
    executor.hang();
    const answer = scheduler.submit(aCall([1, 2, 3]));
    await executor.hasStarted(1);
    executor.crash();
    executor.release();
    expect(viewOf((await answer).output['y'], 'FP32')).toEqual(Float32Array.of(1, 2, 3));
    expect(executor.batches.slice(1).map(valuesOf)).toEqual([[1], [2], [3]]);
  });

  it('holds an incomplete batch back for as long as the manifest says, while calls come fast', async () => {
    const of = versionOf('iris', { delayMs: 20 });
    const { scheduler, executor, clock } = build();
    const before = [0, 0].map((value) => scheduler.submit(aCall([value], { of })));
    await clock.advance(20);
    await Promise.all(before);
    const answers = [scheduler.submit(aCall([1], { of }))];
    await clock.advance(5);
    answers.push(scheduler.submit(aCall([2], { of })));
    await clock.advance(14);
    expect(executor.batches.flatMap(valuesOf)).not.toContain(1);
    await clock.advance(1);
    await Promise.all(answers);
    expect(valuesOf(executor.batches.at(-1)!)).toEqual([1, 2]);
  });

  it('tells the executor when nobody waits for a batch any more', async () => {
    const clients = [new AbortController(), new AbortController()];
    const { scheduler, executor, first } = await busy();
    executor.release();
    await first;
    executor.hang();
    const begun = scheduler.submit(aCall([5]));
    const answers = clients.map((client) => scheduler.submit(aCall([1], { client })));
    const outcomes = Promise.allSettled(answers);
    await executor.hasStarted(2);
    executor.releaseOne();
    await begun;
    await executor.hasStarted(3);
    clients[0].abort();
    expect(executor.batches[2].signal.aborted).toBe(false);
    clients[1].abort();
    expect(executor.batches[2].signal.aborted).toBe(true);
    expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true);
    expect(scheduler.statistics(iris)).toMatchObject({ cancelled: 2, queuedRows: 0 });
    executor.release();
  });

  it('refuses all that waits for a version that cannot be loaded', async () => {
    const { scheduler, executor, clock } = build();
    executor.failLoad('model_load_failed');
    const answers = [1, 2].map((value) => scheduler.submit(aCall([value])));
    for (const answer of answers) await expect(answer).rejects.toMatchObject({ code: 'model_load_failed' });
    executor.recover();
    await expect(scheduler.submit(aCall([3]))).resolves.toBeDefined();
    expect(clock.pending).toBe(0);
  });
});

describe(`${ModelScheduler.name} under too much work`, () => {
  /** 1 ms per row and 1 ms per batch, one at a time: at most one row per millisecond. */
  const of = versionOf('iris', { maxRows: 8 });
  const slow = ({ calls }: Batch): number => 1 + calls.reduce((sum, { rows }) => sum + rows, 0);

  async function flood(rowsPerMs: number, lastsMs: number) {
    const { scheduler, executor, clock } = build(1, 1024);
    executor.lasts(clock, slow);
    const ends = { answered: 0, refused: 0, late: 0, waits: [] as number[], hints: [] as number[] };
    const waiting: Promise<unknown>[] = [];
    const submit = (): void => {
      const beganAtMs = clock.monotonicMs();
      const call = aCall([1], { of, deadlineAtMs: beganAtMs + 200 });
      const noteAnswer = (_: ScheduledResult): void => {
        ends.answered += 1;
        ends.waits.push(clock.monotonicMs() - beganAtMs);
      };
      const noteEnd = (error: QuaysideError): void => {
        if (error.code === 'overloaded') ends.hints.push(error.retryAfterMs ?? 0);
        ends[error.code === 'overloaded' ? 'refused' : 'late'] += 1;
      };
      waiting.push(scheduler.submit(call).then(noteAnswer, noteEnd));
    };
    for (let at = 0; at < lastsMs; at += 1) {
      for (let row = 0; row < rowsPerMs; row += 1) submit();
      await clock.advance(1);
    }
    const answeredByThen = ends.answered;
    await clock.advance(1000);
    await Promise.all(waiting);
    return { ...ends, answeredByThen, scheduler, clock, executor };
  }

  it('answers at least 90 % of what it can, the rest within their deadline or with a hint when to come again', async () => {
    const lastsMs = 1000;
    const { answeredByThen, refused, late, answered, waits, hints } = await flood(9, lastsMs);
    const capacity = lastsMs * (8 / 9);
    expect(answeredByThen).toBeGreaterThan(0.9 * capacity);
    expect(answered + refused + late).toBe(9 * lastsMs);
    expect(Math.max(...waits)).toBeLessThanOrEqual(200);
    expect(hints.every((hint) => hint >= 1000 && hint <= 30_000)).toBe(true);
    expect(refused).toBeGreaterThan(8 * late);
  });

  it('is normal again afterwards', async () => {
    const { scheduler, clock } = await flood(9, 300);
    expect(scheduler.rowsOf(of)).toBe(0);
    const answer = scheduler.submit(aCall([1], { of, deadlineAtMs: clock.monotonicMs() + 10 }));
    await clock.advance(5);
    await expect(answer).resolves.toMatchObject({ queueMs: 0 });
    expect(clock.pending).toBe(0);
  });

  it('lets calls in as before when the clients who waited have left, however long ago that was', async () => {
    const { scheduler, executor, clock } = build();
    executor.lasts(clock, slow);
    const client = new AbortController();
    const left = Array.from({ length: 100 }, (_, at) => scheduler.submit(aCall([at], { of, client })));
    const outcomes = Promise.allSettled(left);
    await clock.advance(65);
    expect(scheduler.statistics(of).rowsPerMs).toBeGreaterThan(0);
    client.abort();
    await outcomes;
    await clock.advance(60_000);
    const deadlineAtMs = clock.monotonicMs() + 1000;
    const before = Array.from({ length: 50 }, (_, at) => scheduler.submit(aCall([at], { of, deadlineAtMs })));
    await clock.advance(10);
    const after = Array.from({ length: 50 }, (_, at) => scheduler.submit(aCall([at], { of, deadlineAtMs })));
    await clock.advance(500);
    await expect(Promise.all([...before, ...after])).resolves.toHaveLength(100);
  });

  it('does not begin what cannot end in time while others can', async () => {
    const { scheduler, executor, clock } = build();
    executor.lasts(clock, () => 50);
    for (let at = 0; at < 6; at += 1) {
      const answer = scheduler.submit(aCall([at], { of }));
      await clock.advance(50);
      await answer;
    }
    const running = scheduler.submit(aCall([10], { of }));
    const late = scheduler.submit(aCall([11], { of, deadlineAtMs: clock.monotonicMs() + 60 }));
    const next = scheduler.submit(aCall([12], { of }));
    const outcome = expect(late).rejects.toMatchObject({ code: 'deadline_exceeded', stage: 'queued' });
    await clock.advance(50);
    await outcome;
    await clock.advance(50);
    await Promise.all([running, next]);
    expect(executor.batches.flatMap(valuesOf)).not.toContain(11);
    expect(scheduler.statistics(of)).toMatchObject({ expired: 1, rows: 8 });
  });
});

describe(`${ModelScheduler.name} in a random run`, () => {
  const step = fc.record({
    rows: fc.integer({ min: 1, max: 12 }),
    deadlineMs: fc.integer({ min: 1, max: 80 }),
    leavesAfterMs: fc.option(fc.integer({ min: 0, max: 40 })),
    bulk: fc.boolean(),
    fails: fc.boolean(),
    pauseMs: fc.integer({ min: 0, max: 10 }),
  });

  it('settles each call once, begins none after its deadline or its end, and keeps to the limits of a batch', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 25 }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, slots) => {
          const { scheduler, executor, clock } = build(slots);
          const of = versionOf('iris', { maxRows: 5 });
          const ended = new Set<number>();
          const faults: string[] = [];
          const noteStart = (batch: Batch): number => {
            const values = valuesOf(batch);
            if (values.length > 5) faults.push(`${values.length} rows`);
            for (const value of values) {
              const index = Math.floor(value / 100);
              if (ended.has(index)) faults.push(`call ${index} began after its end`);
            }
            return 1 + values.length;
          };
          executor.lasts(clock, noteStart).answer((call, version) => {
            const index = Math.floor(viewOf(call.tensors.x, 'FP32')[0] / 100);
            if (steps[index].fails) throw new QuaysideError('inference_failed', 'Scripted.');
            return echo(call, version);
          });
          const outcomes: Promise<unknown>[] = [];
          for (const [index, { rows, deadlineMs, leavesAfterMs, bulk, pauseMs }] of steps.entries()) {
            const client = new AbortController();
            const values = Array.from({ length: rows }, (_, row) => index * 100 + row);
            const deadlineAtMs = clock.monotonicMs() + deadlineMs;
            const call = aCall(values, { of, client, deadlineAtMs, priority: bulk ? 'bulk' : 'online' });
            if (leavesAfterMs !== null) clock.setTimer(leavesAfterMs, () => client.abort());
            const end = scheduler.submit(call).finally(() => ended.add(index));
            outcomes.push(
              end.then(
                ({ output }) => expect(output['y']).toEqual(call.input.tensors.x),
                (error: unknown) => error,
              ),
            );
            await clock.advance(pauseMs);
          }
          await clock.advance(1000);
          const codes = (await Promise.all(outcomes)).map(
            (end) => (end as QuaysideError | undefined)?.code ?? 'answered',
          );
          expect(
            codes.every((code) =>
              ['answered', 'client_closed', 'deadline_exceeded', 'inference_failed', 'overloaded'].includes(code),
            ),
          ).toBe(true);
          expect(faults).toEqual([]);
          expect(scheduler.statistics(of)).toMatchObject({ queuedRows: 0, runningBatches: 0 });
          expect(scheduler.rowsOf(of)).toBe(0);
          expect(clock.pending).toBe(0);
          await scheduler.whenIdle();
        },
      ),
      { numRuns: 50 },
    );
  });
});
