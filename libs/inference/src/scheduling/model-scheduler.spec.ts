import { tensorOf } from '@app/core';
import type { TaskInput } from '../tasks/task';
import { DEFAULT_MANIFEST, type Manifest, type ModelVersion } from '@app/model-registry';
import { FakeExecutor, ManualClock, aModelVersion } from '@app/testing';
import fc from 'fast-check';
import { ModelScheduler, type SchedulerOptions } from './model-scheduler';
import type { ScheduledCall } from './scheduled-call';

const version = versionOf('iris');

function versionOf(model: string, batching: Partial<Manifest['batching']> = {}): ModelVersion {
  const manifest = { ...DEFAULT_MANIFEST, batching: { ...DEFAULT_MANIFEST.batching, ...batching } };
  return aModelVersion({ model, manifest });
}

function buildScheduler({ concurrency = 1, ...options }: Partial<SchedulerOptions> & { concurrency?: number } = {}) {
  const executor = new FakeExecutor(concurrency);
  const clock = new ManualClock();
  const scheduler = new ModelScheduler(executor, clock, {
    queueLimitRows: 100,
    queueLimitBytes: 1024,
    ...options,
  });
  return { executor, clock, scheduler };
}

interface CallParts {
  readonly deadlineAtMs?: number;
  readonly client?: AbortController;
  readonly of?: ModelVersion;
  readonly priority?: ScheduledCall['priority'];
}

function aCall(
  values: readonly number[] = [1],
  { deadlineAtMs = 1000, client = new AbortController(), of = version, priority }: CallParts = {},
): ScheduledCall {
  const input: TaskInput = {
    rows: values.length,
    splittable: true,
    tensors: { x: tensorOf('FP32', [values.length, 1], values) },
    parameters: {},
    outputs: [],
  };
  const context = { requestId: 'r-1', traceparent: '', deadlineAtMs, signal: client.signal };
  return { version: of, input, context, priority };
}

describe(ModelScheduler.name, () => {
  it('brings a call to the executor and gives its output back', async () => {
    const { scheduler } = buildScheduler();
    const call = aCall([1, 2]);
    await expect(scheduler.submit(call)).resolves.toMatchObject({
      output: { y: call.input.tensors.x },
      queueMs: 0,
      batchSize: call.input.rows,
    });
    expect(scheduler.rowsOf(version)).toBe(0);
  });

  it('cuts a large call into pieces and joins their outputs in order', async () => {
    const { scheduler, executor } = buildScheduler();
    const call = aCall([1, 2, 3, 4, 5], { of: versionOf('iris', { maxRows: 2 }) });
    await expect(scheduler.submit(call)).resolves.toMatchObject({ output: { y: call.input.tensors.x }, batchSize: 2 });
    expect(executor.batches.map((batch) => batch.calls[0]?.rows)).toEqual([2, 2, 1]);
  });

  it('refuses with overloaded beyond its rows, and still answers those in it', async () => {
    const { scheduler, executor } = buildScheduler({ queueLimitRows: 2 });
    executor.hang();
    const first = scheduler.submit(aCall([1, 2]));
    await executor.hasStarted(1);
    await expect(scheduler.submit(aCall([3]))).rejects.toMatchObject({ code: 'overloaded', retryAfterMs: 1000 });
    executor.release();
    await expect(first).resolves.toBeDefined();
    await expect(scheduler.submit(aCall([3]))).resolves.toBeDefined();
  });

  it('refuses with overloaded beyond its bytes, whatever the model', async () => {
    const { scheduler, executor } = buildScheduler({ queueLimitBytes: 8 });
    executor.hang();
    const first = scheduler.submit(aCall([1, 2]));
    const other = { ...aCall([3]), version: aModelVersion({ model: 'wine' }) };
    await expect(scheduler.submit(other)).rejects.toMatchObject({ code: 'overloaded' });
    executor.release();
    await first;
  });

  it('answers deadline_exceeded at the deadline, whatever the executor does, and says the stage', async () => {
    const { scheduler, executor, clock } = buildScheduler();
    executor.hang();
    const running = scheduler.submit(aCall([1], { deadlineAtMs: 500 }));
    const settled = expect(running).rejects.toMatchObject({ code: 'deadline_exceeded', stage: 'executing' });
    await executor.hasStarted(1);
    await clock.advance(500);
    await settled;
    expect(executor.batches[0]?.signal.aborted).toBe(true);
    expect(scheduler.rowsOf(version)).toBe(0);
    executor.release();
  });

  it('waits on for a call whose deadline has become a later one, as when others join it', async () => {
    const { scheduler, executor, clock } = buildScheduler();
    executor.hang();
    const call = aCall([1], { deadlineAtMs: 500 });
    const context = { ...call.context };
    const shared = scheduler.submit({ ...call, context });
    await executor.hasStarted(1);
    context.deadlineAtMs = 800;
    await clock.advance(799);
    expect(executor.batches[0]?.signal.aborted).toBe(false);
    const settled = expect(shared).rejects.toMatchObject({ code: 'deadline_exceeded', stage: 'executing' });
    await clock.advance(1);
    await settled;
    expect(clock.pending).toBe(0);
    executor.release();
  });

  it('does not begin the rest of a call whose deadline has passed', async () => {
    const { scheduler, executor, clock } = buildScheduler();
    const of = versionOf('iris', { maxRows: 1 });
    executor.hang();
    const running = scheduler.submit(aCall([1, 2, 3], { of, deadlineAtMs: 500 }));
    const settled = expect(running).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await executor.hasStarted(1);
    await clock.advance(500);
    await settled;
    executor.release();
    expect(executor.batches).toHaveLength(1);
  });

  it('drops a call whose client leaves, and never begins one whose client has left', async () => {
    const { scheduler, executor } = buildScheduler();
    const client = new AbortController();
    executor.hang();
    const running = scheduler.submit(aCall([1], { client }));
    await executor.hasStarted(1);
    client.abort();
    await expect(running).rejects.toMatchObject({ code: 'client_closed' });
    await expect(scheduler.submit(aCall([1], { client }))).rejects.toMatchObject({ code: 'client_closed' });
    executor.release();
    expect(executor.batches).toHaveLength(1);
  });

  it('passes on what the executor says, and leaves no timer behind', async () => {
    const { scheduler, executor, clock } = buildScheduler();
    executor.fail('inference_failed');
    await expect(scheduler.submit(aCall())).rejects.toMatchObject({ code: 'inference_failed' });
    expect(clock.pending).toBe(0);
  });

  it('says when the last call has ended', async () => {
    const { scheduler, executor } = buildScheduler();
    executor.hang();
    const running = scheduler.submit(aCall());
    let idle = false;
    const whenIdle = scheduler.whenIdle().then(() => (idle = true));
    await executor.hasStarted(1);
    expect(idle).toBe(false);
    executor.release();
    await running;
    await whenIdle;
  });

  it('settles each of many calls exactly once with its own rows, or with its own end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ rows: fc.integer({ min: 1, max: 9 }), leaves: fc.boolean() }), {
          minLength: 1,
          maxLength: 12,
        }),
        async (plan) => {
          const { scheduler, executor } = buildScheduler({ queueLimitBytes: 10_000 });
          executor.hang();
          const calls = plan.map(({ rows, leaves }, index) => {
            const client = new AbortController();
            const values = Array.from({ length: rows }, (_, row) => index * 100 + row);
            return { leaves, client, call: aCall(values, { client }) };
          });
          const outcomes = calls.map(({ call }) => scheduler.submit(call).catch((error: unknown) => error));
          calls.filter(({ leaves }) => leaves).forEach(({ client }) => client.abort());
          executor.release();
          for (const [index, outcome] of (await Promise.all(outcomes)).entries()) {
            const { leaves, call } = calls[index];
            if (leaves) expect(outcome).toMatchObject({ code: 'client_closed' });
            else expect(outcome).toMatchObject({ output: { y: call.input.tensors.x } });
          }
          expect(scheduler.rowsOf(version)).toBe(0);
        },
      ),
    );
  });
});
