import { JobQueue } from '@app/batch-jobs';
import { Clock, QuaysideError } from '@app/core';
import { requestContext } from '@app/observability';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Express, NextFunction, Request, Response } from 'express';
import { LoopbackOnlyGuard } from '../http/loopback-only.guard';
import { renderError, sendRendered } from '../http/render-error';

const PATH = '/admin/queues';
const READING = ['GET', 'HEAD'];
const RETRY_AFTER_MS = 1000;
/** What is asked of a server that hangs may never settle. */
const ANSWER_WITHIN_MS = 5000;

/**
 * bull-board, the operator's page of what is queued, at `/admin/queues`. It shows ids, states and counts, and changes nothing:
 * what a job may be told goes through our own routes, which know what the queue does not.
 */
@Injectable()
export class QueuePage implements OnModuleInit {
  private readonly pages = new ExpressAdapter();
  private readonly board: ReturnType<typeof createBullBoard>;
  private shown: JobQueue['queue'];

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly jobs: JobQueue,
    private readonly loopbackOnly: LoopbackOnlyGuard,
    private readonly clock: Clock,
  ) {
    this.pages.setBasePath(PATH);
    const uiConfig = { boardTitle: 'Quayside', pollingInterval: { showSetting: true } };
    this.board = createBullBoard({ queues: [], serverAdapter: this.pages, options: { uiConfig } });
    // Its own answer would tell the cause, and have a form of its own.
    this.pages.setErrorHandler((fault) => {
      throw unreadable(fault);
    });
  }

  /**
   * Mounts the page. Nest calls this when its middleware is mounted and the handler for unknown paths is not, so that the page
   * is served under the same rules as every route.
   */
  onModuleInit(): void {
    const pages = this.pages.getRouter() as Express;
    pages.disable('x-powered-by').disable('etag');
    this.host.httpAdapter.use(PATH, this.enter, pages);
  }

  /** Guards see routes of controllers alone, so what they would look at is looked at here. */
  private readonly enter = ({ method }: Request, response: Response, next: NextFunction): void => {
    this.loopbackOnly.canActivate();
    if (!READING.includes(method)) {
      response.setHeader('Allow', READING.join(', '));
      throw new QuaysideError('method_not_allowed', `This page only shows: it takes no ${method}.`);
    }
    this.show(this.jobs.queue);
    this.answerInTime(response);
    next();
  };

  private answerInTime(response: Response): void {
    const timer = this.clock.setTimer(ANSWER_WITHIN_MS, () => {
      const [error, context] = [unreadable(), requestContext(response.req)];
      if (sendRendered(response, renderError(error, context))) context.errorCode = error.code;
    });
    response.once('close', () => timer.cancel());
  }

  /** A queue whose server was lost is made anew, so it is asked for with every request. */
  private show(queue: JobQueue['queue']): void {
    if (!queue) throw unreadable();
    if (queue === this.shown) return;
    this.shown = queue;
    const description = 'Chunks of batch jobs that wait for a worker.';
    // Its type knows of Redis alone; its code asks which backend there is.
    const shown = queue as unknown as ConstructorParameters<typeof BullMQAdapter>[0];
    this.board.replaceQueues([new BullMQAdapter(shown, { readOnlyMode: true, description })]);
  }
}

function unreadable(cause?: unknown): QuaysideError {
  const options = { retryAfterMs: RETRY_AFTER_MS, ...(cause !== undefined && { cause }) };
  return new QuaysideError('not_ready', 'The queue of jobs does not answer.', options);
}
