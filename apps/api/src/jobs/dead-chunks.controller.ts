import { BatchJobs } from '@app/batch-jobs';
import { Controller, Get, Query, UseGuards } from '@nestjs/common';
import { LoopbackOnlyGuard } from '../http/loopback-only.guard';
import { Operation } from '../openapi/operation';
import { describeDeadChunk } from './describe-job';
import { DeadChunksQuery } from './job-request.dto';
import { DeadChunkList } from './jobs.dto';

/** What of jobs was given up, for whoever runs the server. */
@Controller('v1/admin')
export class DeadChunksController {
  constructor(private readonly jobs: BatchJobs) {}

  /** Parts of all jobs. */
  @Get('dead-chunks')
  @UseGuards(LoopbackOnlyGuard)
  @Operation('listDeadChunks')
  async list(@Query() query: DeadChunksQuery): Promise<DeadChunkList> {
    const { chunks, next = null } = await this.jobs.deadChunks(query);
    return { object: 'list', data: chunks.map(describeDeadChunk), next_cursor: next };
  }
}
