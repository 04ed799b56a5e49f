import type { Clock } from '@app/core';
import { type IQueueBackend, type Job, Queue } from 'bullmq';
import type { ChunkDispatch } from '../records/job-record';
import { discard, firstConnection, within } from './first-connection';
import { type QueueAddress, queueConnection } from './queue-connection';
import { CHUNK_QUEUE_NAME, type ChunkQueueData, queueJobId, queueJobOf } from './queue-job';

/** BullMQ's queue of chunks, on either backend. */
export type ChunkQueue = Queue<ChunkQueueData, void, string, ChunkQueueData, void, string, IQueueBackend, unknown>;

/** What a queue is made of beside its address. */
export interface JobQueueParts {
  readonly clock: Clock;
  /** Resolves once PostgreSQL answers: a queue that is built before stays broken. */
  whenDatabaseUp(): Promise<void>;
  /**
   * After how long, in milliseconds, an active chunk that nobody has claimed counts as spent: its worker died between the two, and the
   * queue itself would notice only when its lock is over. A claim follows at once, and one too many ends there. Default 180,000.
   */
  readonly activeTooLongMs?: number;
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
  private readonly closing = new AbortController();

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
   * the reconciler will find out. Of a process that has just started, the queue is waited for.
   */
  async add(chunks: readonly ChunkDispatch[]): Promise<boolean> {
    if (chunks.length === 0) return true;
    try {
      await this.firstOpening();
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
    this.closing.abort();
    const { open } = this;
    this.open = undefined;
    if (open) await discard(open, this.parts.clock);
  }

  private async connect(): Promise<void> {
    await this.parts.whenDatabaseUp();
    const queue = await firstConnection({
      clock: this.parts.clock,
      signal: this.closing.signal,
      build: () => this.build(),
      failed: (fault) =>
        this.report('job_queue_unavailable', fault, 'The job queue does not answer; it is tried again.'),
    });
    if (queue) this.opened(queue);
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

  /** How many chunks nobody has taken that could be. Throws what BullMQ says, or that there was no answer. */
  waiting(): Promise<number> {
    return this.answered((queue) => queue.getJobCountByTypes('waiting', 'prioritized'));
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
    return activeMs > (this.parts.activeTooLongMs ?? ACTIVE_TOO_LONG_MS) ? 'spent' : 'held';
  }

  /** The first job of a server would else wait until the reconciler misses its chunks. */
  private async firstOpening(): Promise<void> {
    if (this.open || this.closing.signal.aborted) return;
    await within(this.firstOpen.promise, ANSWER_WITHIN_MS, this.parts.clock);
  }

  private async answered<T>(ask: (queue: ChunkQueue) => Promise<T>): Promise<T> {
    if (!this.open)
      throw new Error(this.closing.signal.aborted ? 'The job queue is closed.' : 'The job queue is not open yet.');
    const queue = this.open;
    try {
      return await within(ask(queue), ANSWER_WITHIN_MS, this.parts.clock);
    } catch (fault) {
      if (isWithoutSchema(fault)) await this.reopen(queue);
      throw fault;
    }
  }

  /** Somebody dropped BullMQ's schema: a new queue makes it again. */
  private async reopen(queue: ChunkQueue): Promise<void> {
    if (this.open !== queue) return;
    this.open = undefined;
    await discard(queue, this.parts.clock);
    this.start();
  }

  private report(event: string, fault: unknown, msg: string): void {
    if (this.closing.signal.aborted) return;
    this.parts.log('warn', { event, reason: fault instanceof Error ? fault.message : String(fault), msg });
  }
}

/** Whether somebody dropped the tables of the queue. */
export function isWithoutSchema(fault: unknown): boolean {
  return WITHOUT_SCHEMA.has((fault as { readonly code?: unknown } | undefined)?.code);
}
