import { hostname } from 'node:os';
import { BlobProbe, JobStore } from '@app/batch-jobs';
import { BlobStore } from '@app/blob-store';
import { Clock, Drain } from '@app/core';
import { Database } from '@app/database';
import { Module, type OnModuleInit } from '@nestjs/common';
import { LoopbackOnlyGuard } from '../http/loopback-only.guard';
import { QueuePage } from './queue-page';
import { ScaleController } from './scale.controller';

/**
 * What whoever runs jobs on several processes and machines looks at; and the probe by which workers find out whether they see
 * the files that this process writes. Needs what it injects from global modules.
 */
@Module({
  controllers: [ScaleController],
  providers: [
    LoopbackOnlyGuard,
    QueuePage,
    {
      provide: BlobProbe,
      inject: [JobStore, BlobStore, Clock],
      useFactory: (store: JobStore, blobs: BlobStore, clock: Clock) =>
        new BlobProbe({ store, blobs, clock, host: hostname() }),
    },
  ],
})
export class AdminModule implements OnModuleInit {
  constructor(
    private readonly probe: BlobProbe,
    private readonly database: Database,
    private readonly drain: Drain,
  ) {}

  /** @internal Called by Nest before the application starts. Nothing waits for the database. */
  onModuleInit(): void {
    this.drain.register('flush', 'blob-probe', () => this.probe.close());
    void this.database.whenUp().then(() => this.probe.start());
  }
}
