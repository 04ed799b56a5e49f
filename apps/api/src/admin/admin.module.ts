import { Module } from '@nestjs/common';
import { LoopbackOnlyGuard } from '../http/loopback-only.guard';
import { QueuePage } from './queue-page';
import { ScaleController } from './scale.controller';

/** What whoever runs the server looks at. Needs `JobStore` and `JobQueue` from global modules. */
@Module({ controllers: [ScaleController], providers: [LoopbackOnlyGuard, QueuePage] })
export class AdminModule {}
