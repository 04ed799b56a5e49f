import { RecordingPredictionSink, eventually } from '@app/testing';
import { LogBench } from '../integration/prediction-log-bench';
import { describePredictionSink } from './prediction-sink.contract';

describe('RecordingPredictionSink', () => {
  describePredictionSink(async () => {
    const sink = new RecordingPredictionSink();
    return {
      sink,
      recorded: async () => sink.records.map(({ predictionId: id, rows, status }) => ({ id, rows, status })),
      [Symbol.asyncDispose]: async () => {},
    };
  });
});

describe('LoggingPredictionSink over PostgreSQL', () => {
  describePredictionSink(async () => {
    const bench = await LogBench.open();
    return {
      sink: bench.sink(),
      recorded: (count) =>
        eventually(async () => {
          const { rows } = await bench.here.database.main.query<{ id: string; rows: number; status: string }>(
            'select id::text, count(*)::int as rows, min(status) as status from prediction_log group by 1 order by 1',
          );
          return rows.length === count && rows;
        }),
      [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
    };
  });
});
