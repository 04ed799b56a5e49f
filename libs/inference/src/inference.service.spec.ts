import { QuaysideError, parseModelReference } from '@app/core';
import { DEFAULT_MANIFEST } from '@app/model-registry';
import {
  FakeExecutor,
  FakeFeatureStore,
  FakeModelRegistry,
  type JoinRow,
  ManualClock,
  aBoundVersion,
  eventually,
} from '@app/testing';
import { CacheCounters } from './caching/cache-counters';
import { ResultCache } from './caching/result-cache';
import { InferenceService } from './inference.service';
import type { PredictCall } from './predict-call';
import { type PredictionRecord, PredictionSink } from './prediction-sink';
import { ModelScheduler } from './scheduling/model-scheduler';

class ListSink extends PredictionSink {
  readonly records: PredictionRecord[] = [];

  override record(prediction: PredictionRecord): void {
    this.records.push(prediction);
  }
}

/** Joins `x`, doubled from the request's `half`, as a store would join by a key. */
const double: JoinRow = ({ half, ...row }) => (half === undefined ? row : { ...row, x: [Number(half) * 2] });

function buildService(join: JoinRow = double) {
  const clock = new ManualClock();
  const registry = new FakeModelRegistry(clock);
  const executor = new FakeExecutor();
  const sink = new ListSink();
  const scheduler = new ModelScheduler(executor, clock, { queueLimitRows: 100, queueLimitBytes: 10_000 });
  const counters = new CacheCounters();
  const results = new ResultCache({ scheduler, clock, counters, maxBytes: 1_000_000, revision: 'quayside@1' });
  const service = new InferenceService(registry, new FakeFeatureStore(join, registry), scheduler, results, sink, clock);
  registry.afterServing(async (version) => {
    await service.release(version);
    await executor.unload(version);
  });
  return { clock, registry, executor, sink, service };
}

function aCall(call: Partial<PredictCall> = {}): PredictCall {
  return {
    model: 'iris',
    input: { form: 'rows', rows: [{ x: [1, 2] }] },
    options: {},
    door: 'test',
    context: {
      requestId: 'r-1',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      deadlineAtMs: 1000,
      signal: new AbortController().signal,
    },
    ...call,
  };
}

describe(InferenceService.name, () => {
  it('answers rows for rows, and outputs for tensors', async () => {
    const { registry, service } = buildService();
    registry.add({ model: 'iris' });
    await expect(service.predict(aCall())).resolves.toMatchObject({ rows: [{ y: [1, 2] }], cache: 'miss' });
    const tensors = { form: 'tensors', inputs: { x: [[1], [2]] } } as const;
    await expect(service.predict(aCall({ input: tensors }))).resolves.toMatchObject({ outputs: { y: [[1], [2]] } });
  });

  it('joins stored features before the task reads the rows', async () => {
    const { registry, service } = buildService();
    registry.add({ model: 'iris' });
    const input = { form: 'rows', rows: [{ half: 2 }] } as const;
    await expect(service.predict(aCall({ input }))).resolves.toMatchObject({ rows: [{ y: [4] }] });
  });

  it('answers an equal call from what is kept, whatever form it has, and records both', async () => {
    const { registry, service, executor, sink } = buildService();
    registry.add({ model: 'iris' });
    const { id } = await service.predict(aCall());
    const again = await service.predict(aCall({ input: { form: 'tensors', inputs: { x: [[1, 2]] } } }));
    expect(again).toMatchObject({ outputs: { y: [[1, 2]] }, cache: 'hit', queueMs: 0, computeMs: 0 });
    expect(executor.batches).toHaveLength(1);
    expect(sink.records.map((record) => record.predictionId)).toEqual([id, again.id]);
    expect(again.id).not.toBe(id);
  });

  it('looks for equal calls after stored features were joined', async () => {
    const { registry, service } = buildService();
    registry.add({ model: 'iris' });
    await service.predict(aCall({ input: { form: 'rows', rows: [{ half: 2 }] } }));
    const joined = service.predict(aCall({ input: { form: 'rows', rows: [{ x: [4] }] } }));
    await expect(joined).resolves.toMatchObject({ rows: [{ y: [4] }], cache: 'hit' });
  });

  it('refuses a call that is not right before it looks for equal ones', async () => {
    const { registry, service } = buildService();
    registry.add({ model: 'iris' });
    await service.predict(aCall());
    await expect(service.predict(aCall({ options: { top_k: 1 } }))).rejects.toMatchObject({
      code: 'unsupported_option',
    });
  });

  it('computes anew when asked to, and after the files of the model changed', async () => {
    const { registry, service, executor } = buildService();
    registry.add({ model: 'iris' });
    await service.predict(aCall());
    await expect(service.predict(aCall({ cache: false }))).resolves.toMatchObject({ cache: 'off' });
    const changed = registry.add({ model: 'iris', content: 'changed' });
    await eventually(() => registry.resolve(parseModelReference('iris')).digest === changed.digest);
    await expect(service.predict(aCall())).resolves.toMatchObject({ cache: 'miss' });
    expect(executor.batches).toHaveLength(3);
  });

  it('runs equal calls once that come together', async () => {
    const { registry, service, executor } = buildService();
    registry.add({ model: 'iris' });
    executor.hang();
    const calls = [service.predict(aCall()), service.predict(aCall()), service.predict(aCall())];
    await executor.hasStarted(1);
    executor.release();
    const predictions = await Promise.all(calls);
    expect(predictions.map(({ cache }) => cache)).toEqual(['miss', 'joined', 'joined']);
    expect(executor.batches).toHaveLength(1);
  });

  it('records what it answered under the id that it gives', async () => {
    const { registry, service, sink } = buildService();
    const { digest } = registry.add({ model: 'iris', version: '7' });
    const { id } = await service.predict(aCall());
    expect(sink.records).toMatchObject([
      { predictionId: id, requestId: 'r-1', model: 'iris', version: '7', digest, rows: 1 },
    ]);
  });

  it('records what it was given after features were joined, and what it answered', async () => {
    const { registry, service, sink } = buildService();
    registry.add({ model: 'iris' });
    await service.predict(aCall({ door: 'predict', input: { form: 'rows', rows: [{ half: 2 }, { half: 3 }] } }));
    expect(sink.records).toMatchObject([
      {
        door: 'predict',
        status: 'ok',
        rows: 2,
        cache: 'miss',
        input: { form: 'rows', rows: [{ x: [4] }, { x: [6] }] },
        answer: { form: 'rows', rows: [{ y: [4] }, { y: [6] }] },
      },
    ]);
  });

  it('records a call that failed under the id that it told before', async () => {
    const { registry, service, sink, executor } = buildService();
    registry.add({ model: 'iris' });
    executor.fail('inference_failed');
    const onVersion = jest.fn();
    await expect(service.predict(aCall({ onVersion }))).rejects.toMatchObject({ code: 'inference_failed' });
    const [[, predictionId]] = onVersion.mock.calls;
    expect(sink.records).toMatchObject([{ predictionId, status: 'error', errorCode: 'inference_failed', rows: 1 }]);
    expect(sink.records[0]).toMatchObject({ input: { form: 'rows', rows: [{ x: [1, 2] }] } });
  });

  it('records no input that did not fit the model, and nothing where there is no model', async () => {
    const { registry, service, sink } = buildService();
    await expect(service.predict(aCall())).rejects.toMatchObject({ code: 'model_not_found' });
    expect(sink.records).toEqual([]);
    registry.add({ model: 'iris' });
    const input = { form: 'rows', rows: [{ pin: '1234' }] } as const;
    await expect(service.predict(aCall({ input }))).rejects.toMatchObject({ code: 'invalid_input' });
    expect(sink.records).toMatchObject([{ status: 'error', errorCode: 'invalid_input', rows: 1 }]);
    expect(JSON.stringify(sink.records)).not.toContain('1234');
  });

  it('joins nothing for a call with more rows than a model takes', async () => {
    const join = jest.fn(double);
    const { registry, service } = buildService(join);
    registry.add({ model: 'iris' });
    const rows = new Array<{ half: number }>(2049).fill({ half: 1 });
    await expect(service.predict(aCall({ input: { form: 'rows', rows } }))).rejects.toMatchObject({
      code: 'invalid_request',
      details: [{ field: 'rows', code: 'too_many_rows' }],
    });
    expect(join).not.toHaveBeenCalled();
  });

  it('takes inputs in the tensors form only where they may stand for all that is looked up', async () => {
    const { registry, service } = buildService();
    const stored = { takes: 'FP32', from: 'feature:people@1:age' } as const;
    registry.add({ ...aBoundVersion({ x: stored }), model: 'stored' });
    registry.add({ ...aBoundVersion({ x: { ...stored, override: 'request' } }), model: 'free' });
    const input = { form: 'tensors', inputs: { x: [[1]] } } as const;
    await expect(service.predict(aCall({ model: 'stored', input }))).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(service.predict(aCall({ model: 'free', input }))).resolves.toMatchObject({ outputs: { y: [[1]] } });
  });

  it('refuses a model of another task before it loads it, and says which one it was', async () => {
    const { registry, service, executor } = buildService();
    const onVersion = jest.fn();
    const version = registry.add({ model: 'iris' });
    await expect(service.predict(aCall({ task: 'embedding', onVersion }))).rejects.toMatchObject({
      code: 'task_mismatch',
    });
    expect(executor.loads).toEqual([]);
    expect(onVersion.mock.calls).toEqual([[version, expect.any(String)]]);
  });

  it('waits for a load at most until the deadline', async () => {
    const { registry, service, clock } = buildService();
    const version = registry.add({ model: 'iris' });
    const release = registry.hold(version);
    const waiting = expect(service.predict(aCall())).rejects.toMatchObject({ code: 'model_not_ready' });
    await clock.advance(1000);
    await waiting;
    release();
  });

  it('gives up at the deadline of the model where that comes before the one of the call', async () => {
    const { registry, service, executor, clock } = buildService();
    registry.add({ model: 'iris', manifest: { ...DEFAULT_MANIFEST, deadlineMs: 50 } });
    executor.hang();
    const late = expect(service.predict(aCall())).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await executor.hasStarted(1);
    await clock.advance(50);
    await late;
    executor.release();
  });

  it('gives bulk work the time that it was given, whatever the model says of online calls', async () => {
    const { registry, service, executor, clock } = buildService();
    registry.add({ model: 'iris', manifest: { ...DEFAULT_MANIFEST, deadlineMs: 50 } });
    executor.hang();
    const answer = service.predict(aCall({ priority: 'bulk' }));
    await executor.hasStarted(1);
    await clock.advance(100);
    executor.release();
    await expect(answer).resolves.toMatchObject({ rows: [{ y: [1, 2] }] });
  });

  it('records rows of a job under its id and their places, and failures only where they are final', async () => {
    const { registry, service, executor, sink } = buildService();
    registry.add({ model: 'iris' });
    const rows = [{ x: [1, 2] }, { x: [3, 4] }];
    let final: readonly number[] = [];
    const logAs = { id: '0198c0de-0000-7000-8000-000000000001', indexes: [70, 77], finalIn: () => final };
    const call = aCall({ input: { form: 'rows', rows }, priority: 'bulk', logAs });
    await service.predict(call);
    expect(sink.records).toMatchObject([{ predictionId: logAs.id, rows: 2, jobIndexes: [70, 77], status: 'ok' }]);
    executor.fail('inference_failed');
    await expect(service.predict(call)).rejects.toMatchObject({ code: 'inference_failed' });
    expect(sink.records).toHaveLength(1);
    final = [1];
    await expect(service.predict(call)).rejects.toMatchObject({ code: 'inference_failed' });
    expect(sink.records[1]).toMatchObject({ predictionId: logAs.id, rows: 1, jobIndexes: [77], status: 'error' });
  });

  it('says why a version cannot serve, and serves an older one that the policy allows', async () => {
    const { registry, service } = buildService();
    const broken = registry.add({ model: 'iris', version: '2' });
    registry.fail(broken, new QuaysideError('model_load_failed', 'Truncated.'));
    await expect(service.predict(aCall())).rejects.toMatchObject({ code: 'model_unavailable' });
    registry.add({ model: 'iris', version: '1' });
    const { version } = await service.predict(aCall());
    expect(version.version).toBe('1');
  });

  it('keeps a replaced version until its last call has been answered', async () => {
    const { registry, service, executor } = buildService();
    registry.add({ model: 'iris', version: '1' });
    await service.predict(aCall());
    executor.hang();
    const old = service.predict(aCall({ cache: false }));
    await executor.hasStarted(2);
    registry.add({ model: 'iris', version: '2' });
    await registry.serve({ model: 'iris', version: '2' });
    expect(executor.unloads).toEqual([]);
    executor.release();
    expect((await old).version.version).toBe('1');
    await eventually(() => executor.unloads.length > 0);
    expect(executor.unloads.map((version) => version.version)).toEqual(['1']);
  });

  it('describes a model without loading it', () => {
    const { registry, service, executor } = buildService();
    registry.add({ model: 'iris' });
    expect(service.schema('iris').schema.row).toMatchObject({ type: 'object', properties: { x: {} } });
    expect(executor.loads).toEqual([]);
    expect(() => service.schema('nope')).toThrow('nope');
  });

  it('does not describe a version whose columns cannot be told apart', () => {
    const { registry, service } = buildService();
    const tabular = { columns: [{ name: 'age' }, { name: 'age' }] };
    registry.add({ model: 'iris', task: 'tabular', manifest: { ...DEFAULT_MANIFEST, tabular } });
    expect(() => service.schema('iris')).toThrow(expect.objectContaining({ code: 'model_unavailable' }));
  });
});
