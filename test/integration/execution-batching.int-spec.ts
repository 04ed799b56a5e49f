import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SystemClock, tensorOf, viewOf } from '@app/core';
import type { NamedTensors } from '@app/core';
import { ModelScheduler } from '@app/inference';
import type { ScheduledResult, TaskInput, VersionStatistics } from '@app/inference';
import type { ModelVersion, TextSettings } from '@app/model-registry';
import { eventually, tiny, versionIn } from '@app/testing';
import type { TinyModel } from '@app/testing';
import * as fc from 'fast-check';
import { PoolHarness, floats, integer, integerOf, numbersOf, signalBusy } from './execution-harness';

const TOLERANCE = 1e-4;
const WORDS = 'a film good great love wonderful bad boring hate sad the of and it was'.split(' ');

function schedulerOf(pool: PoolHarness): ModelScheduler {
  return new ModelScheduler(pool.executor, new SystemClock(), { queueLimitRows: 4096, queueLimitBytes: 1e9 });
}

function submit(scheduler: ModelScheduler, version: ModelVersion, input: TaskInput): Promise<ScheduledResult> {
  const { signal } = new AbortController();
  const context = { requestId: 'test', traceparent: '', deadlineAtMs: performance.now() + 60_000, signal };
  return scheduler.submit({ version, input, context });
}

function callOf(tensors: NamedTensors, more: Partial<TaskInput> = {}): TaskInput {
  const [rows] = Object.values(tensors)[0].shape;
  return { rows, splittable: true, tensors, parameters: {}, outputs: [], ...more };
}

/** Numbers of every output, whatever its type. */
function numbersByName({ output }: ScheduledResult): Record<string, readonly number[]> {
  return Object.fromEntries(
    Object.entries(output).map(([name, tensor]) => [
      name,
      tensor.dtype === 'BYTES' ? [] : Array.from(viewOf(tensor, tensor.dtype) as ArrayLike<number>, Number),
    ]),
  );
}

function expectAlike(one: ScheduledResult, other: ScheduledResult): void {
  const [a, b] = [numbersByName(one), numbersByName(other)];
  expect(Object.keys(a)).toEqual(Object.keys(b));
  for (const name of Object.keys(a)) {
    expect(a[name]).toHaveLength(b[name].length);
    const largest = Math.max(
      0,
      ...a[name].map((value, at) => Math.abs(value - b[name][at]) / Math.max(1, Math.abs(value))),
    );
    expect(largest).toBeLessThanOrEqual(TOLERANCE);
  }
}

const text = { maxTokens: 16, classes: ['negative', 'neutral', 'positive'], multiLabel: false } satisfies TextSettings;

describe('batches through the scheduler, on real executors', () => {
  it('finds that mixes-rows may not be batched, says why, and answers each row as if it were alone', async () => {
    await using pool = await PoolHarness.start();
    const mixes = await pool.write('mixes', tiny.mixesRows());
    const { batching } = await pool.executor.load(mixes);
    expect(batching).toEqual({ batchable: false, reason: expect.stringContaining('depends on the rows beside it') });
    const scheduler = schedulerOf(pool);
    const answers = await Promise.all(
      [1, 2, 3].map((at) => submit(scheduler, mixes, callOf({ x: floats([at, 5 * at], 2) }))),
    );
    const together = await submit(scheduler, mixes, callOf({ x: floats([1, 2, 3, 4], 2) }));
    for (const { output } of answers) expect(numbersOf(output['y'])).toEqual([0, 0]);
    expect(numbersOf(together.output['y'])).toEqual([0, 0, 0, 0]);
    expect(scheduler.statistics(mixes)).toMatchObject({ batching, batchesByRows: { 1: 5 } });
  });

  it.each<[string, TinyModel, Partial<ModelVersion>, boolean]>([
    ['rows of numbers', tiny.add(), {}, true],
    ['a classifier of texts', tiny.classifierTiny(), { task: 'text-classification', text }, true],
    ['embeddings of texts', tiny.embedderTiny(), { task: 'embedding', text }, true],
    ['a model that takes one row', tiny.identity('FP32', [1, 2]), {}, false],
    ['a model without rows', tiny.identity('FP32', []), {}, false],
  ])('decides by a trial whether %s may be batched, and keeps it', async (_, model, changes, batchable) => {
    await using pool = await PoolHarness.start();
    const version = await pool.write('m', model, changes);
    const { batching } = await pool.executor.load(version);
    expect(batching).toEqual({ batchable, reason: expect.stringMatching(/^[A-Z].*\.$/) });
    await using again = await PoolHarness.start({
      modelDirectory: join(pool.directory, 'models'),
      probeDirectory: join(pool.directory, 'probes'),
    });
    await expect(again.executor.load(version)).resolves.toMatchObject({ batching });
    expect(again.countOf('m', 'probing')).toBe(0);
  });

  it('answers the seven others when one input of a batch of eight kills its process', async () => {
    await using pool = await PoolHarness.start({ timings: { respawnMs: [0] } });
    const slow = await pool.write('slow', tiny.slow(), { manifest: { batching: BATCHES_OF_EIGHT } });
    const scheduler = schedulerOf(pool);
    const first = submit(scheduler, slow, callOf({ trips: integer(20_000) }));
    await eventually(() => pool.slotsIn('busy').length === 1);
    const POISON = 1_000_000_000;
    const inputs = [1, 2, 3, POISON, 4, 5, 6, 7];
    const answers = inputs.map((trips) => submit(scheduler, slow, callOf({ trips: integer(trips) })));
    const outcomes = Promise.allSettled(answers);
    await first;
    const load = (): VersionStatistics => scheduler.statistics(slow);
    await eventually(() => load().rows === 1 && load().queuedRows === 0 && pool.slotsIn('busy').length === 1);
    signalBusy(pool, 'SIGSEGV');
    // Each runs by itself now: the three before the poison are answered, and then the poison runs, without an end.
    await eventually(() => load().rows === 4 && pool.slotsIn('busy').length === 1);
    signalBusy(pool, 'SIGSEGV');
    const settled = await outcomes;
    expect(settled.map(({ status }) => status)).toEqual(
      inputs.map((trips) => (trips === POISON ? 'rejected' : 'fulfilled')),
    );
    await expect(answers[3]).rejects.toMatchObject({ code: 'executor_crashed' });
    const done = await Promise.all(answers.filter((_, at) => at !== 3));
    expect(done.map(({ output }) => integerOf(output['done']))).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(pool.executor.status().restarts).toBe(2);
    await expect(submit(scheduler, slow, callOf({ trips: integer(POISON) }))).rejects.toMatchObject({
      code: 'input_quarantined',
    });
    expect(pool.executor.status().restarts).toBe(2);
  });

  it('fails only the call that a model cannot answer', async () => {
    await using pool = await PoolHarness.start();
    const failing = await pool.write('failing', tiny.failsOnInput(), { manifest: { batching: BATCHES_OF_EIGHT } });
    const scheduler = schedulerOf(pool);
    const outcomes = await Promise.allSettled(
      [0, 1, 99, 2, 3].map((index) => submit(scheduler, failing, callOf({ index: integer(index) }))),
    );
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(outcomes[2]).toMatchObject({ reason: { code: 'inference_failed' } });
  });
});

const BATCHES_OF_EIGHT = { mode: 'auto', maxRows: 8, maxTokens: 16_384, delayMs: 0, tolerance: TOLERANCE } as const;

describe('batched answers equal single ones', () => {
  /** Texts of several lengths; `top_k`, `temperature`, `normalize` differ between calls that share a run. */
  const texts = fc
    .array(fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 6 })
    .map((rows) =>
      tensorOf(
        'BYTES',
        [rows.length],
        rows.map((words) => words.join(' ')),
      ),
    );
  const classified = fc.record({
    text: texts,
    top_k: fc.integer({ min: 1, max: 3 }),
    temperature: fc.double({ min: 0.1, max: 2, noNaN: true }),
  });
  const embedded = fc.record({ text: texts, normalize: fc.boolean() });
  const added = fc
    .array(fc.tuple(fc.float({ noNaN: true, min: -1e3, max: 1e3 }), fc.float({ noNaN: true, min: -1e3, max: 1e3 })), {
      minLength: 1,
      maxLength: 9,
    })
    .map((rows) => callOf({ a: floats(rows.flat(), 2), b: floats(rows.flat().reverse(), 2) }));

  const CASES: readonly (readonly [string, TinyModel, Partial<ModelVersion>, fc.Arbitrary<TaskInput>])[] = [
    ['add', tiny.add(), {}, added],
    [
      'classifier-tiny',
      tiny.classifierTiny(),
      { task: 'text-classification', text },
      classified.map(({ text: given, ...parameters }) =>
        callOf({ text: given }, { parameters: { ...parameters, truncate: true } }),
      ),
    ],
    [
      'embedder-tiny',
      tiny.embedderTiny(),
      { task: 'embedding', text },
      embedded.map(({ text: given, normalize }) =>
        callOf({ text: given }, { parameters: { normalize, dimensions: 0, truncate: true } }),
      ),
    ],
  ];

  it.each(CASES)(
    'for %s, over random sizes, lengths and parameters',
    async (name, model, changes, call) => {
      await using pool = await PoolHarness.start({ concurrency: 2 });
      const batched = await pool.write(name, model, changes);
      const singly = {
        ...batched,
        model: `${name}-singly`,
        manifest: { ...batched.manifest, batching: { ...BATCHES_OF_EIGHT, mode: 'off' } },
      } satisfies ModelVersion;
      const scheduler = schedulerOf(pool);
      await fc.assert(
        fc.asyncProperty(fc.array(call, { minLength: 2, maxLength: 12 }), async (calls) => {
          const together = await Promise.all(calls.map((input) => submit(scheduler, batched, input)));
          const alone = await Promise.all(calls.map((input) => submit(scheduler, singly, input)));
          together.forEach((answer, at) => expectAlike(answer, alone[at]));
        }),
        { numRuns: 25 },
      );
      const rowsOf = (version: ModelVersion): number[] =>
        Object.keys(scheduler.statistics(version).batchesByRows).map(Number);
      expect(Math.max(...rowsOf(batched))).toBeGreaterThan(1);
      expect(rowsOf(singly)).toEqual([1]);
    },
    120_000,
  );

  it('for the embeddings of minilm, whose rows are padded to each other', async () => {
    const models = join(__dirname, '../../models');
    await using pool = await PoolHarness.start({ modelDirectory: models });
    const settings: TextSettings = { maxTokens: 256, classes: [], multiLabel: false };
    const minilm = versionIn(join(models, 'minilm', '1'), {
      task: 'embedding',
      text: settings,
      manifest: { batching: BATCHES_OF_EIGHT },
    });
    const lines = (await readFile(join(models, 'minilm', 'golden.jsonl'), 'utf8')).trim().split('\n');
    const goldens = lines
      .map((line) => JSON.parse(line) as { text: string; embedding: number[] })
      .filter((golden) => golden.text !== '');
    const scheduler = schedulerOf(pool);
    const answers = await Promise.all(
      goldens.map((golden) =>
        submit(
          scheduler,
          minilm,
          callOf(
            { text: tensorOf('BYTES', [1], [golden.text]) },
            { parameters: { normalize: true, dimensions: 0, truncate: true } },
          ),
        ),
      ),
    );
    answers.forEach(({ output }, at) => {
      const vector = numbersOf(output['embedding']);
      expect(Math.max(...vector.map((value, index) => Math.abs(value - goldens[at].embedding[index])))).toBeLessThan(
        TOLERANCE,
      );
    });
    expect(scheduler.statistics(minilm).batches).toBeLessThan(goldens.length);
  }, 120_000);
});
