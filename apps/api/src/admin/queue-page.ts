import { JobQueue } from '@app/batch-jobs';
import { Clock, QuaysideError } from '@app/core';
import { requestContext } from '@app/observability';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Express, NextFunction, Request, Response } from 'express';
import { LoopbackOnlyGuard } from '../http/loopback-only.guard';
import { renderError, sendRendered } from '../http/render-error';
import type { QueueBoard } from './queue-board';

const PATH = '/admin/queues';
const READING = ['GET', 'HEAD'];
const RETRY_AFTER_MS = 1000;
/** What is asked of a server that hangs may never settle. */
const ANSWER_WITHIN_MS = 5000;

/**
 * The operator's page of what is queued, at `/admin/queues`. It shows ids, states and counts, and changes nothing: what a job may
 * be told goes through our own routes, which know what the queue does not.
 */
@Injectable()
export class QueuePage implements OnModuleInit {
  private board: QueueBoard | undefined;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly jobs: JobQueue,
    private readonly loopbackOnly: LoopbackOnlyGuard,
    private readonly clock: Clock,
  ) {}

  /**
   * Mounts the page. Nest calls this when its middleware is mounted and the handler for unknown paths is not, so that the page
   * is served under the same rules as every route.
   */
  onModuleInit(): void {
    this.host.httpAdapter.use(PATH, this.handle);
  }

  /** Guards see routes of controllers alone, so what they would look at is looked at here. */
  private readonly handle = (request: Request, response: Response, next: NextFunction): void => {
    this.loopbackOnly.canActivate();
    if (!READING.includes(request.method)) {
      response.setHeader('Allow', READING.join(', '));
      throw new QuaysideError('method_not_allowed', `This page only shows: it takes no ${request.method}.`);
    }
    const { queue } = this.jobs;
    if (!queue) throw unreadable();
    this.board ??= this.makeBoard();
    this.board.show(queue);
    this.answerInTime(response);
    this.board.pages(request, response, next);
  };

  private makeBoard(): QueueBoard {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const { QueueBoard: Board } = require('./queue-board') as typeof import('./queue-board');
    const parent = this.host.httpAdapter.getInstance<Express>();
    return new Board({ path: PATH, parent, unreadable });
  }

  private answerInTime(response: Response): void {
    const timer = this.clock.setTimer(ANSWER_WITHIN_MS, () => {
      const [error, context] = [unreadable(), requestContext(response.req)];
      if (sendRendered(response, renderError(error, context))) context.errorCode = error.code;
    });
    response.once('close', () => timer.cancel());
  }
}

function unreadable(cause?: unknown): QuaysideError {
  const options = { retryAfterMs: RETRY_AFTER_MS, ...(cause !== undefined && { cause }) };
  return new QuaysideError('not_ready', 'The queue of jobs does not answer.', options);
}
