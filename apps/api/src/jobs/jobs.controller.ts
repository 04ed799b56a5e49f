import { BatchJobs, type JobView, type JobWait, hasEnded } from '@app/batch-jobs';
import { isQuaysideError } from '@app/core';
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import type { Response } from 'express';
import { StreamsBodyWith, TakesLargeBody, TakesNoBody } from '../http/body.guard';
import { type Call, CurrentCall, type DoorRequest } from '../http/call';
import { Operation } from '../openapi/operation';
import { describeJob, jobPath, jobTag, pauseSeconds } from './describe-job';
import { JobListQuery, JobQuery } from './job-request.dto';
import { JobSubmissions } from './job-submission';
import { DeletedJob, Job, JobList } from './jobs.dto';
import { isKnown, knownVersion, preferredWait } from './preferences';

/** The id of a job in a path. */
export const JobId = (): MethodDecorator =>
  ApiParam({ name: 'id', description: 'The job.', example: 'job_0198c2f17c3a7d529a415f0e4a6b2c11' });

/** Jobs of many rows: submitted, followed, stopped, run again, deleted. */
@Controller('v1/jobs')
export class JobsController {
  constructor(
    private readonly jobs: BatchJobs,
    private readonly submissions: JobSubmissions,
  ) {}

  /** Takes a job, and waits for its end for as long as the client prefers. */
  @Post()
  @HttpCode(202)
  @TakesLargeBody('job')
  @StreamsBodyWith('model')
  @Operation('submitJob')
  async submit(
    @Req() request: DoorRequest,
    @Res({ passthrough: true }) response: Response,
    @Query() query: Readonly<Record<string, unknown>>,
    @Body() body: unknown,
    @CurrentCall() call: Call,
  ): Promise<Job> {
    const submitted = await this.jobs.submit(this.submissions.read({ request, response, query, body }));
    call.madeJob(submitted.job);
    response.setHeader('Location', jobPath(submitted.job.id));
    const seconds = preferredWait(request.headers['prefer']) ?? 0;
    if (seconds === 0) return shown(submitted, response);
    const view = await this.awaited(submitted, { timeoutMs: seconds * 1000, signal: call.context.signal });
    if (hasEnded(view.job.status)) response.status(200).setHeader('Preference-Applied', 'wait');
    return shown(view, response);
  }

  /** Jobs, newest first. */
  @Get()
  @Operation('listJobs')
  async list(@Query() query: JobListQuery): Promise<JobList> {
    const { jobs, next = null } = await this.jobs.list(query);
    return { object: 'list', data: jobs.map(describeJob), next_cursor: next };
  }

  /** One job, at once or when it has changed. */
  @Get(':id')
  @JobId()
  @Operation('describeJob')
  async describe(
    @Param('id') id: string,
    @Query() { wait }: JobQuery,
    @Req() { headers }: DoorRequest,
    @Res({ passthrough: true }) response: Response,
    @CurrentCall() { context }: Call,
  ): Promise<Job | undefined> {
    const tag = headers['if-none-match'];
    const view =
      wait > 0
        ? await this.jobs.wait(id, { version: knownVersion(tag), timeoutMs: wait * 1000, signal: context.signal })
        : await this.jobs.get(id);
    const job = shown(view, response);
    if (!isKnown(tag, job.version)) return job;
    response.status(304);
    return undefined;
  }

  /** Stops a job; may be repeated. */
  @Post(':id/cancel')
  @HttpCode(202)
  @JobId()
  @TakesNoBody()
  @Operation('cancelJob')
  async cancel(@Param('id') id: string, @Res({ passthrough: true }) response: Response): Promise<Job> {
    return shown(await this.jobs.cancel(id), response);
  }

  /** Runs failed rows again. */
  @Post(':id/retry')
  @HttpCode(202)
  @JobId()
  @TakesNoBody()
  @Operation('retryJob')
  async retry(@Param('id') id: string, @Res({ passthrough: true }) response: Response): Promise<Job> {
    return shown(await this.jobs.retry(id), response);
  }

  /** Deletes a job that has ended, with its rows and results. */
  @Delete(':id')
  @JobId()
  @Operation('deleteJob')
  async remove(@Param('id') id: string): Promise<DeletedJob> {
    await this.jobs.remove(id);
    return { id, object: 'job', deleted: true };
  }

  /** Whatever happens while its end is waited for, the job was taken. */
  private async awaited(submitted: JobView, wait: Omit<JobWait, 'version'>): Promise<JobView> {
    try {
      return await this.jobs.waitForEnd(submitted.job.id, wait);
    } catch (fault) {
      if (!isQuaysideError(fault)) throw fault;
      return submitted;
    }
  }
}

/** A job, with its headers: what tells it from other versions, and when to look again. */
function shown(view: JobView, response: Response): Job {
  response.setHeader('ETag', jobTag(view.job.version));
  if (!hasEnded(view.job.status)) response.setHeader('Retry-After', String(pauseSeconds(view)));
  return describeJob(view);
}
