import { JobStore } from '@app/batch-jobs';
import { Controller, Get, UseGuards } from '@nestjs/common';
import { LoopbackOnlyGuard } from '../http/loopback-only.guard';
import { Operation } from '../openapi/operation';
import { WorkerScale } from './scale.dto';

/** What an autoscaler of workers asks. */
@Controller('internal')
export class ScaleController {
  constructor(private readonly store: JobStore) {}

  /** How much work there is. */
  @Get('scale')
  @UseGuards(LoopbackOnlyGuard)
  @Operation('describeScale')
  async scale(): Promise<WorkerScale> {
    return { backlog_seconds: Math.round((await this.store.backlogSeconds()) * 1000) / 1000 };
  }
}
