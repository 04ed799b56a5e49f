import type { PredictionSink } from '@app/inference';
import { aPredictionRecord } from '@app/testing';

/** A sink under test, with the means to see what it was told. */
export interface SinkBench extends AsyncDisposable {
  readonly sink: PredictionSink;
  /** Every prediction that it has, with the number of its rows, once there are so many. */
  recorded(count: number): Promise<readonly { readonly id: string; readonly rows: number; readonly status: string }[]>;
}

/** What every `PredictionSink` promises. */
export function describePredictionSink(open: () => Promise<SinkBench>): void {
  let bench: SinkBench;

  beforeEach(async () => {
    bench = await open();
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  it('has every prediction that it was told of, each with all of its rows', async () => {
    const records = [
      aPredictionRecord(),
      aPredictionRecord({
        rows: 2,
        input: { form: 'rows', rows: [{ a: 1 }, { a: 2 }] },
        answer: { form: 'rows', rows: [{ value: 1 }, { value: 2 }] },
      }),
    ];
    for (const record of records) bench.sink.record(record);
    const recorded = await bench.recorded(2);
    expect(recorded).toEqual(records.map(({ predictionId, rows, status }) => ({ id: predictionId, rows, status })));
  });

  it('has failed predictions too, without an input or an answer', async () => {
    const { input: _, answer: __, ...failed } = aPredictionRecord({ status: 'error', errorCode: 'invalid_input' });
    bench.sink.record(failed);
    expect(await bench.recorded(1)).toEqual([{ id: failed.predictionId, rows: 1, status: 'error' }]);
  });

  it('never throws, whatever is in a record', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const odd = [circle, { deep: [[[Number.NaN]]] }, { text: '\ud800\u0000' }, { big: 10n }];
    for (const row of odd) {
      expect(() => bench.sink.record(aPredictionRecord({ input: { form: 'rows', rows: [row] } }))).not.toThrow();
    }
  });

  it('returns nothing, so that nobody can wait for it', () => {
    expect(bench.sink.record(aPredictionRecord())).toBeUndefined();
  });
}
