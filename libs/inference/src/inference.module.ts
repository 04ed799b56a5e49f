import { Clock, Drain } from '@app/core';
import { ModelRegistry } from '@app/model-registry';
import { type DynamicModule, Logger, Module, type OnModuleInit } from '@nestjs/common';
import { CacheCounters } from './caching/cache-counters';
import { RedisResults } from './caching/redis-results';
import { ResultCache } from './caching/result-cache';
import { softwareRevision } from './caching/revision';
import { ChildProcessExecutor } from './execution/child-process-executor';
import { Executor } from './execution/executor';
import type { ChildProcessExecutorOptions } from './execution/executor-options';
import { InferenceStatistics } from './inference-statistics';
import { InferenceService } from './inference.service';
import { ModelScheduler, type SchedulerOptions } from './scheduling/model-scheduler';

/** What inference needs to know; the executor's clock, reports and log are wired by the module. */
export interface InferenceOptions {
  readonly executor: Omit<ChildProcessExecutorOptions, 'clock' | 'report' | 'onCrash' | 'log'>;
  readonly scheduler: SchedulerOptions;
  readonly cache: {
    /** Memory for results, overhead counted. 0: results are not kept at all. */
    readonly maxBytes: number;
    /** Redis that shares results with other processes; absent: none. */
    readonly redisUrl?: string | undefined;
  };
}

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
    private readonly results: ResultCache,
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
          useFactory: (executor: Executor, clock: Clock) => new ModelScheduler(executor, clock, options.scheduler),
        },
        {
          provide: ResultCache,
          inject: [ModelScheduler, Clock],
          useFactory: (scheduler: ModelScheduler, clock: Clock) => buildCache(options.cache, scheduler, clock),
        },
        InferenceService,
        InferenceStatistics,
      ],
      exports: [Executor, ResultCache, InferenceService, InferenceStatistics],
    };
  }

  /** @internal Called by Nest before the application starts. */
  onModuleInit(): void {
    this.registry.beforeServing('load', async (version) =>
      this.scheduler.loaded(version, await this.executor.load(version)),
    );
    this.registry.afterServing(async (version) => {
      await this.inference.release(version);
      await this.executor.unload(version);
    });
    this.drain.register('finish', 'predictions', () => this.scheduler.whenIdle());
    this.drain.register('close', 'executors', () => this.executor.close());
    this.drain.register('close', 'results', () => this.results.close());
  }
}

function buildCache(
  { maxBytes, redisUrl }: InferenceOptions['cache'],
  scheduler: ModelScheduler,
  clock: Clock,
): ResultCache {
  const counters = new CacheCounters();
  const parts = { scheduler, clock, counters, maxBytes, revision: softwareRevision() };
  if (redisUrl === undefined || maxBytes === 0) return new ResultCache(parts);
  const shared = new RedisResults({ url: redisUrl, clock, counters, onChange: tellOfRedis });
  return new ResultCache({ ...parts, shared });
}

function tellOfRedis(state: 'failing' | 'answering', reason?: string): void {
  const logger = new Logger(ResultCache.name);
  if (state === 'answering') return logger.log('Redis answers again: results are shared.');
  logger.warn(`Redis fails (${reason}). Results are kept in this process only; Redis is tried again every 5 s.`);
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
