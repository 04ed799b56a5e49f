import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BatchJobs, type ResultsReading } from '@app/batch-jobs';
import { QuaysideError } from '@app/core';
import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Operation } from '../openapi/operation';
import { JobResultsQuery } from './job-request.dto';
import { JobId } from './jobs.controller';

/** What became of the rows of a job, also while it runs. */
@Controller('v1/jobs')
export class JobResultsController {
  constructor(private readonly jobs: BatchJobs) {}

  /**
   * Result lines as they are read, no faster than the client takes them. A fault before the first byte is an error as
   * always; a later one cuts the connection, so that nobody takes a part for the whole. A client that leaves ends the read.
   */
  @Get(':id/results')
  @JobId()
  @Operation('readJobResults')
  async read(
    @Param('id') id: string,
    @Query() { after, limit, only }: JobResultsQuery,
    @Req() { method }: Request,
    @Res() response: Response,
  ): Promise<void> {
    const reading = await this.jobs.results(id, { after, limit, onlyErrors: only === 'errors' });
    const lines = Readable.from(reading.lines, { objectMode: false });
    if (method !== 'HEAD') await firstBytes(lines);
    announce(reading, response);
    if (method === 'HEAD') return void response.end(() => lines.destroy());
    await pipeline(lines, response).catch((fault: unknown) => {
      throw isLeaving(fault) ? new QuaysideError('client_closed', 'The client left before the last line.') : fault;
    });
  }
}

/** Resolves once there is something to send, or nothing. Throws what the read throws. */
function firstBytes(lines: Readable): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  lines.once('readable', resolve).once('end', resolve).once('error', reject);
  return promise.finally(() => lines.off('readable', resolve).off('end', resolve).off('error', reject));
}

/** How Node calls it when the other side of a stream is closed before its end. */
function isLeaving(fault: unknown): boolean {
  return (fault as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function announce({ job, page }: ResultsReading, response: Response): void {
  response.setHeader('Content-Type', 'application/x-ndjson');
  response.setHeader('X-Job-Status', job.status);
  response.setHeader('X-Next-Cursor', page.next);
  response.setHeader('X-Results-Complete', String(page.isComplete));
}
