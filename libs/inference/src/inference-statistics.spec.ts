import { FakeExecutor, FakeFeatureStore, FakeModelRegistry, ManualClock } from '@app/testing';
import { CacheCounters } from './caching/cache-counters';
import { ResultCache } from './caching/result-cache';
import { InferenceStatistics } from './inference-statistics';
import { ModelScheduler } from './scheduling/model-scheduler';

function build() {
  const clock = new ManualClock();
  const registry = new FakeModelRegistry(clock);
  const executor = new FakeExecutor(3);
  const scheduler = new ModelScheduler(executor, clock, { queueLimitRows: 100, queueLimitBytes: 10_000 });
  const counters = new CacheCounters();
  const results = new ResultCache({ scheduler, clock, counters, maxBytes: 1_000_000, revision: 'quayside@1' });
  const features = new FakeFeatureStore();
  const statistics = new InferenceStatistics(registry, scheduler, executor, results, features);
  return { registry, counters, scheduler, statistics };
}

describe(InferenceStatistics.name, () => {
  it('tells of every version that can be read, by the bytes that it has now', () => {
    const { registry, scheduler, statistics } = build();
    const batching = { batchable: true, reason: 'It was tried.' };
    scheduler.loaded(registry.add({ model: 'iris', version: '1' }), { batching });
    registry.addUnreadable({ model: 'iris', version: '2', reason: 'It is cut off.' });
    expect(statistics.of('iris')).toMatchObject({
      executors: { concurrency: 3, running: 0, restarts: 0 },
      versions: [{ version: '1', batching }],
    });
    registry.add({ model: 'iris', version: '1', content: 'changed' });
    expect(statistics.of('iris').versions[0]).not.toHaveProperty('batching');
  });

  it('tells what the cache did for the model, and for no other', () => {
    const { registry, counters, statistics } = build();
    for (const model of ['iris', 'wine']) registry.add({ model });
    counters.of('iris').hits += 2;
    expect([statistics.of('iris').cache.hits, statistics.of('wine').cache.hits]).toEqual([2, 0]);
  });

  it('knows no model that the registry does not know', () => {
    expect(() => build().statistics.of('nobody')).toThrow(expect.objectContaining({ code: 'model_not_found' }));
  });
});
