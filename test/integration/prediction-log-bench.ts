import { type Clock, SystemClock } from '@app/core';
import {
  LogPartitions,
  type LogStore,
  LoggingPredictionSink,
  type LoggingPredictionSinkParts,
  ModelFieldRules,
  PostgresLogStore,
  PredictionHistory,
  Redactor,
} from '@app/prediction-log';
import { type TestDatabase, testDatabase } from '@app/testing';

/** A prediction log over a database of a test's own. */
export class LogBench implements AsyncDisposable {
  readonly partitions: LogPartitions;
  readonly store: PostgresLogStore;
  readonly history: PredictionHistory;
  private readonly sinks: LoggingPredictionSink[] = [];

  private constructor(readonly here: TestDatabase) {
    const { log, main } = here.database;
    this.partitions = new LogPartitions(main);
    this.store = new PostgresLogStore(log, this.partitions);
    this.history = new PredictionHistory(main, new Redactor('a key'));
  }

  static async open(): Promise<LogBench> {
    return new LogBench(await testDatabase());
  }

  /** A sink that writes to the database, or to a store of the test's. */
  sink(parts: Partial<LoggingPredictionSinkParts> = {}): LoggingPredictionSink {
    const sink = new LoggingPredictionSink({ ...sinkParts(this.store), ...parts });
    this.sinks.push(sink);
    sink.start();
    return sink;
  }

  /** What one value of a query is. */
  async value<T>(sql: string, ...params: readonly unknown[]): Promise<T> {
    const { rows } = await this.here.database.main.query<Record<string, T>>(sql, params);
    return Object.values(rows[0] ?? {})[0];
  }

  countRows(): Promise<number> {
    return this.value<number>('select count(*)::int from prediction_log');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.sinks.map((sink) => sink.close()));
    await this.here.close();
  }
}

/** What a sink is made of where a test says nothing else. */
export function sinkParts(store: LogStore, clock: Clock = new SystemClock()): LoggingPredictionSinkParts {
  return {
    store,
    clock,
    redactor: new Redactor('a key'),
    rules: new ModelFieldRules(),
    isOn: true,
    closeMs: 1000,
    payload: 'full',
    limits: { rows: 10_000, bytes: 32 * 1024 * 1024 },
    onChange: () => {},
  };
}
