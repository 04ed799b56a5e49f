import {
  type ChunkConsumer,
  type ChunkRunner,
  type JobStore,
  type Reconciler,
  BlobsNotShared,
  assertSharedBlobs,
} from '@app/batch-jobs';
import type { BlobStore } from '@app/blob-store';
import { type Clock, type Timer, isQuaysideError } from '@app/core';
import type { Database } from '@app/database';
import { StartFault } from '../../common/src/start-fault';

/** What a worker works with. Times in milliseconds. */
export interface ChunkWorkParts {
  readonly consumer: ChunkConsumer;
  readonly runner: ChunkRunner;
  readonly reconciler: Reconciler;
  readonly store: JobStore;
  readonly blobs: BlobStore;
  readonly database: Pick<Database, 'whenUp'>;
  readonly clock: Clock;
  /** Between two signs of life for the chunks that run here. */
  readonly heartbeatMs: number;
  /** How long a stop waits for chunks to end before they are given back. */
  readonly finishMs: number;
}

const DATABASE_AGAIN_MS = 1000;

/** Takes chunks from the queue, keeps their leases, and looks after the records of jobs, from `start` until the drain. */
export class ChunkWork {
  private beating: Timer | undefined;
  private isPaused = false;
  private hasFinished = false;

  constructor(private readonly parts: ChunkWorkParts) {}

  /**
   * Resolves when chunks are taken here: PostgreSQL answers, and what other processes write can be read. Throws `StartFault`
   * where it cannot.
   */
  async start(): Promise<void> {
    const { consumer, reconciler, database } = this.parts;
    await database.whenUp();
    await this.assertSharedBlobs();
    if (this.isPaused) return;
    consumer.start();
    reconciler.start();
    this.beat();
  }

  /** Chunks that run here now. */
  get active(): number {
    return this.parts.consumer.active;
  }

  /** Takes no other chunk. */
  async pause(): Promise<void> {
    this.isPaused = true;
    await this.parts.consumer.pause();
  }

  /** Resolves when no chunk runs here; those that take too long are given back. */
  async finish(): Promise<void> {
    const { clock, consumer, finishMs, reconciler } = this.parts;
    const timer = clock.setTimer(finishMs, () => this.giveBack());
    await Promise.all([consumer.whenIdle(), reconciler.close()]);
    timer.cancel();
    this.endBeats();
  }

  /** Stops what runs, as soon as rows that are with an executor come back: another worker goes on with it. */
  giveBack(): void {
    this.parts.consumer.stop();
  }

  /** Ends the connections to the queue. */
  async close(): Promise<void> {
    this.endBeats();
    await this.parts.consumer.close();
  }

  private endBeats(): void {
    this.hasFinished = true;
    this.beating?.cancel();
  }

  private beat(): void {
    this.beating = this.parts.clock.setTimer(this.parts.heartbeatMs, () => {
      // What cannot be said now is said with the next beat; a lease lasts for several.
      const said = this.parts.runner.heartbeat().catch(() => undefined);
      // One that was under way when the last chunk ended begins no other.
      void said.then(() => this.hasFinished || this.beat());
    });
  }

  private async assertSharedBlobs(): Promise<void> {
    const { store, blobs, clock } = this.parts;
    while (!this.isPaused) {
      try {
        return await assertSharedBlobs(store, blobs);
      } catch (fault) {
        if (fault instanceof BlobsNotShared) throw new StartFault(fault.message);
        if (!isQuaysideError(fault)) throw fault;
        await new Promise<void>((resolve) => void clock.setTimer(DATABASE_AGAIN_MS, resolve));
      }
    }
  }
}
