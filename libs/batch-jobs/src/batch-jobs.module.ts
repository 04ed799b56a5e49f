import { BlobStore } from '@app/blob-store';
import { Clock, Drain } from '@app/core';
import { Database } from '@app/database';
import { InferenceService } from '@app/inference';
import { type DynamicModule, Logger, Module, type OnModuleInit, type Provider } from '@nestjs/common';
import type { BatchJobsOptions } from './batch-jobs-options';
import { BatchJobs } from './batch-jobs.service';
import { JobQueue } from './queue/job-queue';
import { JobStore } from './records/job-store';
import { JobIntake } from './submission/job-intake';
import { SubmissionCheck } from './submission/submission-check';
import { JobWatch } from './watching/job-watch';

/** How often in its longest silence an upload says that it goes on. */
const PULSES = 4;

/**
 * Batch jobs, for every module: `BatchJobs` for the doors, `JobStore` and `JobQueue` for workers. Needs `Clock`, `Drain`,
 * `Database`, `BlobStore` and `InferenceService` from global modules. Nothing waits for the database or the queue.
 */
@Module({})
export class BatchJobsModule implements OnModuleInit {
  constructor(
    private readonly queue: JobQueue,
    private readonly watch: JobWatch,
    private readonly drain: Drain,
  ) {}

  static forRoot(options: BatchJobsOptions): DynamicModule {
    return {
      module: BatchJobsModule,
      global: true,
      providers: [...recordProviders(options), ...serviceProviders(options)],
      exports: [JobStore, JobQueue, BatchJobs],
    };
  }

  /** @internal Called by Nest before the application starts. */
  onModuleInit(): void {
    this.drain.register('stop-taking', 'job-watch', () => this.watch.close());
    this.drain.register('close', 'job-queue', () => this.queue.close());
    this.queue.start();
  }
}

const logger = new Logger(BatchJobs.name);

function recordProviders({ queue, records }: BatchJobsOptions): Provider[] {
  return [
    {
      provide: JobStore,
      inject: [Database],
      useFactory: (database: Database) => new JobStore(database.main, records),
    },
    {
      provide: JobQueue,
      inject: [Database, Clock],
      useFactory: (database: Database, clock: Clock) =>
        new JobQueue(queue, {
          clock,
          whenDatabaseUp: () => database.whenUp(),
          activeTooLongMs: records.lookAgainMs,
          log: (level, line) => logger[level](line),
        }),
    },
    {
      provide: JobWatch,
      inject: [JobStore, Clock],
      useFactory: (store: JobStore, clock: Clock) => new JobWatch(store, clock),
    },
  ];
}

type IntakeNeeds = [JobStore, BlobStore, JobQueue, Clock, InferenceService];
type ServiceNeeds = [Database, JobStore, BlobStore, JobQueue, JobIntake, JobWatch, Clock];

function serviceProviders({ limits, chunkSeconds, webhooks, records }: BatchJobsOptions): Provider[] {
  return [
    {
      provide: JobIntake,
      inject: [JobStore, BlobStore, JobQueue, Clock, InferenceService],
      useFactory: (...[store, blobs, queue, clock, inference]: IntakeNeeds) => {
        const check = new SubmissionCheck({ inference, clock, webhooks });
        const pulseMs = records.uploadSilenceMs / PULSES;
        return new JobIntake({ store, blobs, queue, clock, check, limits, chunkSeconds, pulseMs, leftBehind });
      },
    },
    {
      provide: BatchJobs,
      inject: [Database, JobStore, BlobStore, JobQueue, JobIntake, JobWatch, Clock],
      useFactory: (...[database, store, blobs, queue, intake, watch, clock]: ServiceNeeds) =>
        new BatchJobs({ database, store, blobs, queue, intake, watch, clock, leftBehind }),
    },
  ];
}

function leftBehind(jobId: string, err: unknown): void {
  const msg = 'What a job left that is no more could not be deleted now; the clean-up finds it.';
  logger.warn({ event: 'job_left_behind', job_id: jobId, err, msg });
}
