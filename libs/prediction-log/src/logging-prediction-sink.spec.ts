import { tensorOf } from '@app/core';
import { ManualClock, aPredictionRecord } from '@app/testing';
import { ModelFieldRules } from './field-rules';
import { LOG_COLUMNS, type LogColumn, type LogRow, valuesOf } from './log-row';
import type { LogStore, StoreOutcome } from './log-store';
import { LoggingPredictionSink, type LoggingPredictionSinkParts } from './logging-prediction-sink';
import { Redactor } from './redaction';

/** Takes rows, fails, or hangs, as it is told. */
class ScriptedStore implements LogStore {
  readonly batches: (readonly LogRow[])[] = [];
  fault: Error | undefined;
  private gate: Promise<void> | undefined;

  async insert(rows: readonly LogRow[]): Promise<StoreOutcome> {
    this.batches.push(rows);
    await this.gate;
    if (this.fault) throw this.fault;
    return { written: rows.length, rejected: 0 };
  }

  hang(): () => void {
    const gate = Promise.withResolvers<void>();
    this.gate = gate.promise;
    return () => {
      this.gate = undefined;
      gate.resolve();
    };
  }
}

function buildSink(parts: Partial<LoggingPredictionSinkParts> = {}) {
  const clock = new ManualClock();
  const store = new ScriptedStore();
  const changes: string[] = [];
  const sink = new LoggingPredictionSink({
    store,
    clock,
    redactor: new Redactor('key'),
    rules: new ModelFieldRules(),
    isOn: true,
    closeMs: 2000,
    payload: 'full',
    limits: { rows: 10_000, bytes: 32 * 1024 * 1024 },
    onChange: (state) => changes.push(state),
    ...parts,
  });
  sink.start();
  const column = (name: LogColumn): unknown[] => {
    const at = LOG_COLUMNS.findIndex(([each]) => each === name);
    return store.batches.flat().map((row) => valuesOf(row)[at]);
  };
  return { clock, store, sink, changes, column };
}

const times = (count: number, act: () => void): void => Array.from({ length: count }, act).forEach(() => {});

describe(LoggingPredictionSink.name, () => {
  it('writes after a quarter of a second, what came in it together', async () => {
    const { sink, store, clock } = buildSink();
    times(3, () => sink.record(aPredictionRecord()));
    await clock.advance(249);
    expect(store.batches).toEqual([]);
    await clock.advance(1);
    expect(store.batches.map((rows) => rows.length)).toEqual([3]);
    expect(sink.statistics()).toMatchObject({ written: 3, queueRows: 0, queueBytes: 0 });
  });

  it('writes 500 rows at once, and one batch at a time', async () => {
    const { sink, store, clock } = buildSink();
    const release = store.hang();
    times(1100, () => sink.record(aPredictionRecord()));
    await clock.advance(0);
    expect(store.batches.map((rows) => rows.length)).toEqual([500]);
    release();
    await clock.advance(0);
    expect(store.batches.map((rows) => rows.length)).toEqual([500, 500]);
    await clock.advance(250);
    expect(store.batches.map((rows) => rows.length)).toEqual([500, 500, 100]);
  });

  it('writes a mebibyte at once', async () => {
    const { sink, store, clock } = buildSink();
    const text = 'x'.repeat(60_000);
    times(18, () => sink.record(aPredictionRecord({ input: { form: 'rows', rows: [{ text }] } })));
    await clock.advance(0);
    expect(store.batches.map((rows) => rows.length)).toEqual([17]);
  });

  it('tries a batch again that failed, ever less often, and loses none of it', async () => {
    const { sink, store, clock, changes } = buildSink();
    store.fault = new Error('away');
    sink.record(aPredictionRecord());
    const tried: number[] = [];
    for (const wait of [250, 100, 200, 400, 800, 1600, 3200, 5000, 5000]) {
      await clock.advance(wait - 1);
      const before = store.batches.length;
      await clock.advance(1);
      tried.push(store.batches.length - before);
    }
    expect(tried).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1]);
    store.fault = undefined;
    await clock.advance(5000);
    expect(sink.statistics()).toMatchObject({ written: 1, failedFlushes: 9, queueRows: 0 });
    expect(changes).toEqual(['failing', 'writing']);
  });

  it('drops the newest when the queue is full, and counts every one', async () => {
    const { sink, store, clock } = buildSink({ limits: { rows: 20, bytes: 1e9 } });
    store.fault = new Error('away');
    times(30, () => sink.record(aPredictionRecord()));
    times(5, () => sink.record(aPredictionRecord({ status: 'error', errorCode: 'overloaded', rows: 1 })));
    await clock.advance(250);
    expect(sink.statistics()).toMatchObject({ queueRows: 20, dropped: { queue_full: 15 }, written: 0 });
  });

  it('writes at the end what waits, and counts what it could not write in time', async () => {
    const { sink, clock } = buildSink();
    sink.record(aPredictionRecord());
    await sink.close();
    expect(sink.statistics()).toMatchObject({ written: 1, dropped: { shutdown: 0 } });
    sink.record(aPredictionRecord());
    expect(sink.statistics()).toMatchObject({ written: 1, dropped: { shutdown: 1 } });

    const late = buildSink();
    late.store.hang();
    times(2, () => late.sink.record(aPredictionRecord()));
    const closing = late.sink.close();
    await late.clock.advance(2000);
    await closing;
    expect(late.sink.statistics()).toMatchObject({ written: 0, dropped: { shutdown: 2 }, queueRows: 0 });
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(0);
  });

  it('tries again while it closes, as PostgreSQL may be back in time', async () => {
    const { sink, store, clock } = buildSink();
    store.fault = new Error('away');
    sink.record(aPredictionRecord());
    await clock.advance(4000);
    const closing = sink.close();
    await clock.advance(150);
    store.fault = undefined;
    await clock.advance(150);
    await closing;
    expect(sink.statistics()).toMatchObject({ written: 1, dropped: { shutdown: 0 } });
  });

  it('does not throw for what it cannot encode, and counts it', () => {
    const { sink } = buildSink();
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    sink.record(aPredictionRecord({ rows: 2, input: { form: 'rows', rows: [{ a: 1 }, circle] } }));
    expect(sink.statistics()).toMatchObject({ dropped: { unencodable: 2 }, queueRows: 0 });
  });

  it('logs a share of the rows, and always those that failed, are degraded or not finite', async () => {
    const { sink, clock, column } = buildSink();
    const log = { samplingRate: 0 };
    sink.record(aPredictionRecord({ log }));
    sink.record(aPredictionRecord({ log, status: 'error', errorCode: 'inference_failed' }));
    sink.record(aPredictionRecord({ log, degraded: true }));
    sink.record(aPredictionRecord({ log, answer: { form: 'rows', rows: [{ value: 'Infinity' }] } }));
    await clock.advance(250);
    expect(column('sampling_rate')).toEqual(['1', '1', '1']);
    expect(sink.statistics()).toMatchObject({ sampledOut: 1, written: 3 });
  });

  it('logs all rows with one value of the sampling key, or none', async () => {
    const { sink, clock, column } = buildSink();
    const log = { samplingRate: 0.5, samplingKey: 'user' };
    const users = Array.from({ length: 40 }, (_, each) => ({ user: each % 20 }));
    for (const row of users) sink.record(aPredictionRecord({ log, input: { form: 'rows', rows: [row] } }));
    await clock.advance(250);
    const logged = column('inputs').map(String);
    expect(logged.length).toBeGreaterThan(0);
    expect(logged.length).toBeLessThan(40);
    expect(logged).toHaveLength(2 * new Set(logged).size);
    expect(new Set(column('sampling_rate'))).toEqual(new Set(['0.5']));
  });

  it.each([
    ['full', 'full', [true, true, true, true]],
    ['full', 'features', [false, true, true, true]],
    ['outputs', 'full', [false, false, true, true]],
    ['features', 'outputs', [false, false, true, true]],
    ['none', 'full', [false, false, false, false]],
  ] as const)('keeps the lesser of %s, of the model, and %s, of the deployment', async (own, payload, kept) => {
    const { sink, clock, column } = buildSink({ payload });
    const provenance = [
      { entityKeys: ['["1"]'], features: [{ name: 'a', source: 'const', status: null, value: 1 }] },
    ] as const;
    sink.record(aPredictionRecord({ log: { payload: own }, provenance }));
    await clock.advance(250);
    const columns = ['inputs', 'features', 'outputs', 'prediction_label'] as const;
    expect(columns.map((name) => column(name)[0] !== null)).toEqual(kept);
    expect(column('entity_keys')[0] !== null).toBe(kept[2]);
  });

  it('tells a side above 64 KiB by its size and its hash', async () => {
    const { sink, clock, column } = buildSink();
    const text = 'ä'.repeat(33_000);
    sink.record(aPredictionRecord({ input: { form: 'rows', rows: [{ text }] } }));
    const x = tensorOf('FP32', [1, 20_000], new Float32Array(20_000));
    sink.record(aPredictionRecord({ input: { form: 'tensors', tensors: { x } } }));
    await clock.advance(250);
    expect(column('inputs').map((each) => JSON.parse(String(each)) as unknown)).toEqual([
      { dtype: 'JSON', shape: [66_011], sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      { x: { dtype: 'FP32', shape: [1, 20_000], sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
    ]);
    expect(column('flags')).toEqual(['{"truncated"}', '{"tensors","truncated"}']);
  });

  it('masks whole tensors where a hidden field may stand inside of one', async () => {
    const { sink, clock, column } = buildSink();
    const tensors = { x: tensorOf('FP32', [1, 2], [4711, 2]), y: tensorOf('FP32', [1], [3]) };
    const answer = { form: 'tensors', outputs: { z: [1] } } as const;
    const input = { form: 'tensors', tensors } as const;
    sink.record(aPredictionRecord({ log: { fields: { age: 'drop', y: 'keep' } }, input, answer }));
    sink.record(aPredictionRecord({ log: { fields: { x: 'drop' } }, input, answer }));
    await clock.advance(250);
    expect(column('inputs').map((each) => JSON.parse(String(each)) as unknown)).toEqual([
      { x: '***', y: { $f32: expect.any(String), n: 1 } },
      { y: { $f32: expect.any(String), n: 1 } },
    ]);
    expect(column('outputs')).toEqual(['{"z":"***"}', '{"z":[1]}']);
  });

  it('hides the key of an entity like the request field that it is made of', async () => {
    const { sink, clock, column } = buildSink();
    const provenance = [{ entityKeys: ['["canary"]'], features: [] }];
    const manifest = { entities: { person: 'ssn' } };
    const rules: readonly Record<string, 'hash' | 'mask' | 'drop'>[] = [
      {},
      { ssn: 'hash' },
      { person: 'mask' },
      { other: 'drop' },
    ];
    for (const fields of rules) {
      sink.record(aPredictionRecord({ log: { fields }, manifest, provenance }));
    }
    await clock.advance(250);
    const hashed = new Redactor('key').hash('["canary"]');
    const plain = '{"[\\"canary\\"]"}';
    expect(column('entity_keys')).toEqual([plain, `{"${hashed}"}`, null, plain]);
  });

  it('counts everything as dropped that is not to be logged', () => {
    const { sink } = buildSink({ isOn: false });
    sink.record(aPredictionRecord({ rows: 3 }));
    expect(sink.statistics()).toMatchObject({ dropped: { off: 3 }, queueRows: 0 });
  });
});
