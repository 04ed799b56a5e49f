import type { Clock, Timer } from '@app/core';
import type { ChunkProcessor, ChunkWorker } from './chunk-worker';
import { discard, firstConnection, within } from './first-connection';
import { isWithoutSchema } from './job-queue';

/** What a consumer is made of. */
export interface ChunkConsumerParts {
  readonly clock: Clock;
  /** Chunks at once. */
  readonly concurrency: number;
  /** Makes a worker of the queue: `chunkWorker`. */
  build(parts: { readonly process: ChunkProcessor; readonly failed: (fault: unknown) => void }): ChunkWorker;
  /** Resolves once PostgreSQL answers: a worker that is built before stays broken. */
  whenDatabaseUp(): Promise<void>;
  /** How many chunks wait in the queue. */
  waiting(): Promise<number>;
  /** Runs a chunk to its end. What it throws the queue tries again. */
  readonly process: ChunkProcessor;
  /** The queue gives nothing, though chunks wait, and did not after all was built anew either: this process is to end. */
  gaveUp(): void;
  log(level: 'log' | 'warn', line: { readonly event: string; readonly reason?: string; readonly msg: string }): void;
}

const LOOK_EVERY_MS = 10_000;
const SILENT_AFTER_MS = 60_000;
const PAUSE_WITHIN_MS = 500;
const REBUILDS = 1;

/**
 * Takes chunks from the queue, some at once: `connecting → taking → pausing → closed`. From `taking` it goes back to `connecting`
 * where the worker of the queue has gone silent, or somebody dropped the queue.
 */
export class ChunkConsumer {
  private readonly running = new Set<AbortController>();
  private readonly closing = new AbortController();
  private worker: ChunkWorker | undefined;
  private idle = Promise.withResolvers<void>();
  private looking: Timer | undefined;
  private suspectSinceMs: number | undefined;
  private silences = 0;
  private reported = '';
  private isStopping = false;

  constructor(private readonly parts: ChunkConsumerParts) {
    this.idle.resolve();
  }

  /** Begins to connect, in the background, and then to take chunks. */
  start(): void {
    void this.connect();
    this.lookLater();
  }

  /** Chunks that run now. */
  get active(): number {
    return this.running.size;
  }

  /** Takes no other chunk; those that run go on. */
  async pause(): Promise<void> {
    this.closing.abort();
    this.looking?.cancel();
    const paused = this.worker?.pause(true) ?? Promise.resolve();
    await within(paused, PAUSE_WITHIN_MS, this.parts.clock).catch(() => undefined);
  }

  /** Resolves when no chunk runs. */
  whenIdle(): Promise<void> {
    return this.idle.promise;
  }

  /** Aborts the signals of all that runs, and of what the queue had begun to give. */
  stop(): void {
    this.isStopping = true;
    for (const controller of this.running) controller.abort();
  }

  /** Ends the connections, within seconds even where the server is frozen. What runs is not waited for. Safe to call twice. */
  async close(): Promise<void> {
    await this.pause();
    const { worker } = this;
    this.worker = undefined;
    if (worker) await this.discard(worker);
  }

  private async connect(): Promise<void> {
    await this.parts.whenDatabaseUp();
    const worker = await firstConnection({
      clock: this.parts.clock,
      signal: this.closing.signal,
      build: () => this.parts.build({ process: this.take, failed: (fault) => this.failed(fault) }),
      failed: (fault) =>
        this.warn('chunk_worker_unavailable', fault, 'The job queue gives no chunks; it is tried again.'),
    });
    if (!worker) return;
    this.worker = worker;
    worker.run().catch((fault: unknown) => this.warn('chunk_worker_ended', fault, 'The job queue gives no chunks.'));
    this.parts.log('log', { event: 'chunk_worker_open', msg: 'The job queue gives chunks.' });
  }

  private readonly take: ChunkProcessor = async (data, signal) => {
    const stop = new AbortController();
    if (this.isStopping) stop.abort();
    this.begin(stop);
    try {
      await this.parts.process(data, AbortSignal.any([signal, stop.signal]));
    } finally {
      this.running.delete(stop);
      if (this.running.size === 0) this.idle.resolve();
    }
  };

  private begin(stop: AbortController): void {
    if (this.running.size === 0) this.idle = Promise.withResolvers();
    this.running.add(stop);
    this.suspectSinceMs = undefined;
    this.silences = 0;
    this.reported = '';
  }

  private failed(fault: unknown): void {
    if (this.closing.signal.aborted) return;
    this.warn('chunk_worker_failed', fault, 'The job queue could not be asked; it is tried again.');
    if (isWithoutSchema(fault)) void this.rebuild();
  }

  private lookLater(): void {
    this.looking = this.parts.clock.setTimer(LOOK_EVERY_MS, () => void this.look());
  }

  /** Workers have gone silent after a reconnect, without any error: https://github.com/taskforcesh/bullmq/issues/4479 */
  private async look(): Promise<void> {
    const mayTake = this.worker !== undefined && this.running.size < this.parts.concurrency;
    const isSuspect = mayTake && (await this.parts.waiting().catch(() => 0)) > 0;
    if (this.closing.signal.aborted) return;
    this.lookLater();
    const nowMs = this.parts.clock.monotonicMs();
    this.suspectSinceMs = isSuspect ? (this.suspectSinceMs ?? nowMs) : undefined;
    if (nowMs - (this.suspectSinceMs ?? nowMs) >= SILENT_AFTER_MS) await this.wake();
  }

  private async wake(): Promise<void> {
    this.suspectSinceMs = undefined;
    this.silences += 1;
    const reason = `Chunks wait, and none came for ${SILENT_AFTER_MS} ms.`;
    this.warn('chunk_worker_silent', new Error(reason), 'The worker of the job queue is built anew.');
    if (this.silences > REBUILDS) this.parts.gaveUp();
    else await this.rebuild();
  }

  private async rebuild(): Promise<void> {
    const { worker } = this;
    if (!worker || this.closing.signal.aborted) return;
    this.worker = undefined;
    await this.discard(worker);
    await this.connect();
  }

  private discard(worker: ChunkWorker): Promise<void> {
    const close = (): Promise<void> => worker.close(this.running.size > 0);
    return discard(
      { close, waitUntilReady: () => Promise.resolve(), disconnect: () => worker.disconnect() },
      this.parts.clock,
    );
  }

  /** The same again and again is told once, until a chunk comes. */
  private warn(event: string, fault: unknown, msg: string): void {
    const reason = fault instanceof Error ? fault.message : String(fault);
    if (this.reported === reason) return;
    this.reported = reason;
    this.parts.log('warn', { event, reason, msg });
  }
}
