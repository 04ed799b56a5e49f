import type { Clock } from '@app/core';
import { type IQueueBackend, type Job, Queue } from 'bullmq';
import type { ChunkDispatch } from '../records/job-record';
import { type QueueAddress, queueConnection } from './queue-connection';
import { CHUNK_QUEUE_NAME, type ChunkQueueData, queueJobId, queueJobOf } from './queue-job';

/** BullMQ's queue of chunks, on either backend. */
export type ChunkQueue = Queue<ChunkQueueData, void, string, ChunkQueueData, void, string, IQueueBackend, unknown>;

/** What a queue is made of beside its address. */
export interface JobQueueParts {
  readonly clock: Clock;
  /** Resolves once PostgreSQL answers: a queue that is built before stays broken. */
  whenDatabaseUp(): Promise<void>;
  /** Why the queue cannot be had, or that it can again. */
  log(level: 'log' | 'warn', line: { readonly event: string; readonly reason?: string; readonly msg: string }): void;
}

/** What the queue knows of chunks that should have been claimed. */
export interface QueueView {
  /** Waiting, delayed or active. */
  readonly held: readonly ChunkDispatch[];
  /** Not there: add the same ids. */
  readonly missing: readonly ChunkDispatch[];
  /** Failed, or active for too long: these ids will not run, and have to be given others. */
  readonly spent: readonly ChunkDispatch[];
}

const ANSWER_WITHIN_MS = 5000;
const CLOSE_WITHIN_MS = 2000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5000;
/** Longer than a worker holds a job that it does not renew. */
const ACTIVE_TOO_LONG_MS = 180_000;

/** SQLSTATE: no such schema, table or function. */
const WITHOUT_SCHEMA: ReadonlySet<unknown> = new Set(['3F000', '42P01', '42883']);

/**
 * Wakes workers up for chunks. It holds nothing that PostgreSQL does not know, so that a call that fails costs time alone: the
 * reconciler adds what is missing. `connecting ⇄ open`, `any → closed`; a first connection that fails is
 * thrown away and made anew.
 */
export class JobQueue {
  private readonly firstOpen = Promise.withResolvers<ChunkQueue>();
  private open: ChunkQueue | undefined;
  private isClosed = false;
  private endRest = (): void => {};

  constructor(
    private readonly address: QueueAddress,
    private readonly parts: JobQueueParts,
  ) {}

  /** Begins to connect, in the background. */
  start(): void {
    void this.connect();
  }

  /** Resolves when the queue can be used for the first time; never, when that does not happen. */
  whenOpen(): Promise<ChunkQueue> {
    return this.firstOpen.promise;
  }

  /** BullMQ's own, for who shows it; undefined while it is not open. */
  get queue(): ChunkQueue | undefined {
    return this.open;
  }

  /**
   * Adds chunks; those that are there already stay as they are. False: nobody knows whether they were added, now or later, and
   * the reconciler will find out.
   */
  async add(chunks: readonly ChunkDispatch[]): Promise<boolean> {
    if (chunks.length === 0) return true;
    try {
      await this.answered((queue) => queue.addBulk(chunks.map(queueJobOf)));
      return true;
    } catch (fault) {
      this.report('job_queue_add_failed', fault, 'Chunks were not queued in time; the reconciler looks after them.');
      return false;
    }
  }

  /** What the queue knows of these. Throws what BullMQ says, or that there was no answer. */
  async view(chunks: readonly ChunkDispatch[]): Promise<QueueView> {
    const places = await this.answered((queue) => Promise.all(chunks.map((chunk) => this.placeOf(queue, chunk))));
    const those = (place: keyof QueueView) => chunks.filter((_, at) => places[at] === place);
    return { held: those('held'), missing: those('missing'), spent: those('spent') };
  }

  /** Ends the connections, within seconds even where the server is frozen. Safe to call twice. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.endRest();
    const { open } = this;
    this.open = undefined;
    if (open) await this.discard(open);
  }

  private async connect(): Promise<void> {
    await this.parts.whenDatabaseUp();
    for (let retryMs = FIRST_RETRY_MS; !this.isClosed; retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS)) {
      const queue = this.build();
      try {
        await this.within(queue.waitUntilReady(), ANSWER_WITHIN_MS);
        if (this.isClosed) return await this.discard(queue);
        return this.opened(queue);
      } catch (fault) {
        this.report('job_queue_unavailable', fault, 'The job queue does not answer; it is tried again.');
        await this.discard(queue);
        await this.rest(retryMs);
      }
    }
  }

  private build(): ChunkQueue {
    const { options, factory } = queueConnection(this.address, 'queue');
    const queue: ChunkQueue = new Queue(CHUNK_QUEUE_NAME, options, factory);
    // What breaks is seen by the calls that need it; without a listener it would go to the console.
    queue.on('error', () => {});
    return queue;
  }

  private opened(queue: ChunkQueue): void {
    this.open = queue;
    this.firstOpen.resolve(queue);
    this.parts.log('log', { event: 'job_queue_open', msg: 'The job queue answers.' });
  }

  private async placeOf(queue: ChunkQueue, chunk: ChunkDispatch): Promise<keyof QueueView> {
    const id = queueJobId(chunk);
    const job = (await queue.getJob(id)) as Job<ChunkQueueData> | undefined;
    if (!job) return 'missing';
    const state = await queue.getJobState(id);
    // It left between the two questions.
    if (state === 'unknown') return 'missing';
    if (state === 'failed' || state === 'completed') return 'spent';
    const activeMs = state === 'active' ? this.parts.clock.epochMs() - (job.processedOn ?? Infinity) : 0;
    return activeMs > ACTIVE_TOO_LONG_MS ? 'spent' : 'held';
  }

  private async answered<T>(ask: (queue: ChunkQueue) => Promise<T>): Promise<T> {
    if (!this.open) throw new Error(this.isClosed ? 'The job queue is closed.' : 'The job queue is not open yet.');
    const queue = this.open;
    try {
      return await this.within(ask(queue), ANSWER_WITHIN_MS);
    } catch (fault) {
      if (isWithoutSchema(fault)) await this.reopen(queue);
      throw fault;
    }
  }

  /** Somebody dropped BullMQ's schema: a new queue makes it again. */
  private async reopen(queue: ChunkQueue): Promise<void> {
    if (this.open !== queue) return;
    this.open = undefined;
    await this.discard(queue);
    this.start();
  }

  private async discard(queue: ChunkQueue): Promise<void> {
    // Neither of the two ever settles where the server is frozen; on Redis only the second gives up a first connection.
    await this.within(queue.close(), CLOSE_WITHIN_MS).catch(() => void queue.disconnect().catch(() => {}));
  }

  private async within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = this.parts.clock.setTimer(timeoutMs, () =>
      late.reject(new Error(`No answer within ${timeoutMs} ms.`)),
    );
    try {
      return await Promise.race([work, late.promise]);
    } finally {
      timer.cancel();
      // Whoever waited has gone: what comes later is nobody's fault.
      work.catch(() => {});
    }
  }

  private rest(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.parts.clock.setTimer(delayMs, resolve);
      this.endRest = () => {
        timer.cancel();
        resolve();
      };
      if (this.isClosed) this.endRest();
    });
  }

  private report(event: string, fault: unknown, msg: string): void {
    if (this.isClosed) return;
    this.parts.log('warn', { event, reason: fault instanceof Error ? fault.message : String(fault), msg });
  }
}

function isWithoutSchema(fault: unknown): boolean {
  return WITHOUT_SCHEMA.has((fault as { readonly code?: unknown } | undefined)?.code);
}
