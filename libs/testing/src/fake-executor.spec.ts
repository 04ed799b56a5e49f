import type { Batch, TaskInput } from '@app/inference';
import { FakeExecutor } from './fake-executor';
import { aModelVersion } from './fake-model-registry';

const version = aModelVersion({ model: 'm' });
const call = (value: number): TaskInput => ({
  rows: 1,
  splittable: true,
  tensors: { x: { dtype: 'UINT8', shape: [1, 1], bytes: Uint8Array.of(value) } },
  parameters: {},
  outputs: [],
});
const batch = (...values: number[]): Batch => ({
  version,
  calls: values.map(call),
  signal: new AbortController().signal,
  traceparent: '',
});

describe(FakeExecutor.name, () => {
  it('answers each call with its own input, under the name of the output', async () => {
    const { outputs } = await new FakeExecutor().run(batch(1, 2));
    expect(outputs.map(({ y }) => [...y.bytes])).toEqual([[1], [2]]);
  });

  it('answers what a script says, and fails as it says until it recovers', async () => {
    const executor = new FakeExecutor().answer(({ tensors }) => ({ twice: tensors['x'] }));
    await expect(executor.run(batch(1))).resolves.toMatchObject({ outputs: [{ twice: { dtype: 'UINT8' } }] });
    executor.fail('inference_failed').failLoad('model_capacity');
    await expect(executor.run(batch(1))).rejects.toMatchObject({ code: 'inference_failed' });
    await expect(executor.load(aModelVersion({ model: 'other' }))).rejects.toMatchObject({ code: 'model_capacity' });
    executor.recover();
    await expect(executor.run(batch(1))).resolves.toBeDefined();
  });

  it('tells when batches have begun, and keeps a record of them', async () => {
    const executor = new FakeExecutor(2).hang();
    const runs = [executor.run(batch(1)), executor.run(batch(2))];
    await executor.hasStarted(2);
    expect(executor.batches.map(({ calls }) => calls.length)).toEqual([1, 1]);
    expect(executor.status().running).toBe(2);
    executor.release();
    await Promise.all(runs);
    await executor.unload(version);
    expect(executor).toMatchObject({ loads: [version], unloads: [version] });
  });
});
