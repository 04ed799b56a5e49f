import { Clock, Drain } from '@app/core';
import { ModelRegistry } from '@app/model-registry';
import { type DynamicModule, Logger, Module, type OnModuleInit } from '@nestjs/common';
import { ChildProcessExecutor } from './execution/child-process-executor';
import { Executor } from './execution/executor';
import type { ChildProcessExecutorOptions } from './execution/executor-options';
import { InferenceService } from './inference.service';
import { ModelScheduler, type SchedulerOptions } from './scheduling/model-scheduler';

/** What inference needs to know; the executor's clock, reports and log are wired by the module. */
export interface InferenceOptions {
  readonly executor: Omit<ChildProcessExecutorOptions, 'clock' | 'report' | 'onCrash' | 'log'>;
  readonly scheduler: Pick<SchedulerOptions, 'queueLimitRows' | 'queueLimitBytes'>;
}

/** Rows of one run: enough to spare round trips, few enough that a deadline or another caller need not wait long. */
const PIECE_ROWS = 8;

/**
 * Predictions. Needs `Clock`, `Drain`, `ModelRegistry`, `FeatureStore` and `PredictionSink` from global modules. Tells
 * the registry how a version is loaded before it serves and how it is let go afterwards.
 */
@Module({})
export class InferenceModule implements OnModuleInit {
  constructor(
    private readonly registry: ModelRegistry,
    private readonly executor: Executor,
    private readonly scheduler: ModelScheduler,
    private readonly inference: InferenceService,
    private readonly drain: Drain,
  ) {}

  static forRoot(options: InferenceOptions): DynamicModule {
    return {
      module: InferenceModule,
      global: true,
      providers: [
        {
          provide: Executor,
          inject: [Clock, ModelRegistry],
          useFactory: (clock: Clock, registry: ModelRegistry) =>
            new ChildProcessExecutor({
              ...options.executor,
              clock,
              ...logging(),
              report: (version, report) => registry.report(version, report),
            }),
        },
        {
          provide: ModelScheduler,
          inject: [Executor, Clock],
          useFactory: (executor: Executor, clock: Clock) =>
            new ModelScheduler(executor, clock, { ...options.scheduler, pieceRows: PIECE_ROWS }),
        },
        InferenceService,
      ],
      exports: [Executor, InferenceService],
    };
  }

  /** @internal Called by Nest before the application starts. */
  onModuleInit(): void {
    this.registry.beforeServing('load', async (version) => void (await this.executor.load(version)));
    this.registry.afterServing(async (version) => {
      await this.inference.release(version);
      await this.executor.unload(version);
    });
    this.drain.register('finish', 'predictions', () => this.scheduler.whenIdle());
    this.drain.register('close', 'executors', () => this.executor.close());
  }
}

function logging(): Pick<ChildProcessExecutorOptions, 'onCrash' | 'log'> {
  const logger = new Logger(Executor.name);
  return {
    onCrash: ({ cause, doing }) =>
      logger.warn({ event: 'executor_crashed', cause, doing, msg: 'An executor process ended; it is replaced.' }),
    // The debug log only: the engine's own words may hold paths, and values of an input.
    log: (line) => logger.debug({ event: 'executor', msg: line }),
  };
}
