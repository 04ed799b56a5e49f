import { Clock, Drain } from '@app/core';
import { Database } from '@app/database';
import { FeatureViews } from '@app/feature-store';
import { PredictionSink } from '@app/inference';
import type { LogPayload } from '@app/model-registry';
import { type DynamicModule, Logger, Module, type OnModuleInit } from '@nestjs/common';
import { ModelFieldRules, ruleOfFeature } from './field-rules';
import { hashKeyIn } from './hash-key';
import { LogHousekeeping } from './log-housekeeping';
import { LogPartitions } from './log-partitions';
import type { LogQueueLimits } from './log-queue';
import { LoggingPredictionSink } from './logging-prediction-sink';
import { PostgresLogStore, reasonOf } from './postgres-log-store';
import { PredictionHistory } from './prediction-history';
import { Redactor } from './redaction';

/** How predictions are logged. */
export interface PredictionLogOptions {
  /** Whether they are; without a database there is nowhere to. */
  readonly isOn: boolean;
  /** The most that may be kept of any model. */
  readonly payload: LogPayload;
  /** Of one process. */
  readonly limits: LogQueueLimits;
  readonly retentionDays: number;
  /** How long a stop may wait for what is queued, in milliseconds. Less than the phase of the drain has. */
  readonly closeMs: number;
  /** Of the rule `hash`; absent: one is made, and kept in the data folder. */
  readonly hashKey?: string | undefined;
  readonly dataDirectory: string;
}

/**
 * Every prediction in PostgreSQL. Provides `PredictionSink` to every module, and `PredictionHistory` to read what was
 * logged. Needs `Clock`, `Drain`, `Database` and `FeatureViews` from global modules.
 */
@Module({})
export class PredictionLogModule implements OnModuleInit {
  private readonly logger = new Logger('PredictionLog');

  constructor(
    private readonly sink: LoggingPredictionSink,
    private readonly housekeeping: LogHousekeeping,
    private readonly database: Database,
    private readonly drain: Drain,
  ) {}

  static forRoot(options: PredictionLogOptions): DynamicModule {
    return {
      module: PredictionLogModule,
      global: true,
      providers: [
        { provide: Redactor, useFactory: () => new Redactor(options.hashKey ?? hashKeyIn(options.dataDirectory)) },
        {
          provide: LoggingPredictionSink,
          inject: [Database, Clock, FeatureViews, Redactor],
          useFactory: (database: Database, clock: Clock, views: FeatureViews, redactor: Redactor) =>
            buildSink(options, { database, clock, views, redactor }),
        },
        { provide: PredictionSink, useExisting: LoggingPredictionSink },
        {
          provide: LogHousekeeping,
          inject: [Database, Clock],
          useFactory: (database: Database, clock: Clock) =>
            new LogHousekeeping({
              partitions: new LogPartitions(database.main),
              clock,
              retentionDays: options.retentionDays,
              onFault: tellOfHousekeeping,
            }),
        },
        {
          provide: PredictionHistory,
          inject: [Database, Redactor],
          useFactory: (database: Database, redactor: Redactor) => new PredictionHistory(database.main, redactor),
        },
      ],
      exports: [PredictionSink, LoggingPredictionSink, PredictionHistory],
    };
  }

  /** @internal Called by Nest before the application starts. Nothing waits for the database. */
  onModuleInit(): void {
    this.drain.register('flush', 'prediction-log', () => this.flush());
    this.drain.register('flush', 'prediction-log-housekeeping', () => this.housekeeping.close());
    void this.database.whenUp().then(() => {
      this.sink.start();
      void this.housekeeping.start();
    });
  }

  private async flush(): Promise<void> {
    await this.sink.close();
    const { written, dropped, rejected, sampledOut, failedFlushes } = this.sink.statistics();
    const books = { written, dropped, rejected, sampled_out: sampledOut, failed_flushes: failedFlushes };
    this.logger.log({ event: 'prediction_log_closed', ...books, msg: 'The prediction log is closed.' });
  }
}

interface SinkNeeds {
  readonly database: Database;
  readonly clock: Clock;
  readonly views: FeatureViews;
  readonly redactor: Redactor;
}

function buildSink(
  { isOn, payload, limits, closeMs }: PredictionLogOptions,
  { database, clock, views, redactor }: SinkNeeds,
): LoggingPredictionSink {
  return new LoggingPredictionSink({
    redactor,
    rules: new ModelFieldRules((view, feature) => ruleOfFeature(views, view, feature)),
    isOn,
    payload,
    limits,
    closeMs,
    clock,
    store: new PostgresLogStore(database.log, new LogPartitions(database.main)),
    onChange: tellOfWriting,
  });
}

function tellOfWriting(state: 'failing' | 'writing', fault?: unknown): void {
  const logger = new Logger('PredictionLog');
  if (state === 'writing') return logger.log({ event: 'prediction_log_writing', msg: 'Predictions are logged again.' });
  const msg = 'Predictions cannot be logged now. They wait in memory, within bounds, and predictions go on.';
  logger.warn({ event: 'prediction_log_failing', reason: reasonOf(fault), msg });
}

function tellOfHousekeeping(fault: unknown): void {
  const msg = 'The partitions of the prediction log could not be looked after. It is tried again in an hour.';
  new Logger('PredictionLog').warn({ event: 'prediction_log_housekeeping', reason: reasonOf(fault), msg });
}
