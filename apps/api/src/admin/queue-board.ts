import type { JobQueue } from '@app/batch-jobs';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import type { Express } from 'express';

/** The queue of jobs, once it is open. */
export type ShownQueue = NonNullable<JobQueue['queue']>;

/** Where a board is, and what is thrown for what it cannot read. */
export interface QueueBoardParts {
  readonly path: string;
  /** The application that it is part of. */
  readonly parent: Express;
  unreadable(cause: unknown): Error;
}

const UI_CONFIG = { boardTitle: 'Quayside', pollingInterval: { showSetting: true } };
const DESCRIPTION = 'Chunks of batch jobs that wait for a worker.';

/** bull-board over one queue. A file of its own, as the library behind it takes long to load, and few look at it. */
export class QueueBoard {
  readonly pages: Express;
  private readonly board: ReturnType<typeof createBullBoard>;
  private shown: ShownQueue | undefined;

  constructor({ path, parent, unreadable }: QueueBoardParts) {
    const serverAdapter = new ExpressAdapter().setBasePath(path);
    this.board = createBullBoard({ queues: [], serverAdapter, options: { uiConfig: UI_CONFIG } });
    // Its own answer would tell the cause, and have a form of its own.
    serverAdapter.setErrorHandler((fault) => {
      throw unreadable(fault);
    });
    this.pages = serverAdapter.getRouter() as Express;
    this.pages.disable('x-powered-by').disable('etag');
    // As `parent.use` would: its answers have the headers of all others.
    this.pages.emit('mount', parent);
  }

  /** Shows this queue, and no other. A queue whose server was lost is made anew, so that it may be another than before. */
  show(queue: ShownQueue): void {
    if (queue === this.shown) return;
    this.shown = queue;
    // Its type knows of Redis alone; its code asks which backend there is.
    const shown = queue as unknown as ConstructorParameters<typeof BullMQAdapter>[0];
    this.board.replaceQueues([new BullMQAdapter(shown, { readOnlyMode: true, description: DESCRIPTION })]);
  }
}
