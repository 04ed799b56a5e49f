import { Clock, Drain } from '@app/core';
import { Database } from '@app/database';
import { type DynamicModule, Logger, Module, type OnModuleInit } from '@nestjs/common';
import type { BatchJobsOptions } from './batch-jobs-options';
import { BatchJobs } from './batch-jobs.service';
import { JobQueue } from './queue/job-queue';
import { JobStore } from './records/job-store';

/**
 * Batch jobs, for every module: `BatchJobs` for the doors, `JobStore` and `JobQueue` for workers. Needs `Clock`, `Drain`,
 * `Database`, `BlobStore` and `InferenceService` from global modules. Nothing waits for the database or the queue.
 */
@Module({})
export class BatchJobsModule implements OnModuleInit {
  constructor(
    private readonly queue: JobQueue,
    private readonly drain: Drain,
  ) {}

  static forRoot(options: BatchJobsOptions): DynamicModule {
    const logger = new Logger(BatchJobs.name);
    return {
      module: BatchJobsModule,
      global: true,
      providers: [
        {
          provide: JobStore,
          inject: [Database],
          useFactory: (database: Database) => new JobStore(database.main, options.records),
        },
        {
          provide: JobQueue,
          inject: [Database, Clock],
          useFactory: (database: Database, clock: Clock) =>
            new JobQueue(options.queue, {
              clock,
              whenDatabaseUp: () => database.whenUp(),
              log: (level, line) => logger[level](line),
            }),
        },
        BatchJobs,
      ],
      exports: [JobStore, JobQueue, BatchJobs],
    };
  }

  /** @internal Called by Nest before the application starts. */
  onModuleInit(): void {
    this.drain.register('close', 'job-queue', () => this.queue.close());
    this.queue.start();
  }
}
