import type { ChunkProcessor, ChunkRunner, JobQueue } from '@app/batch-jobs';
import type { Clock } from '@app/core';

/** What a turn is made of. */
export interface ChunkTurnsParts {
  readonly runner: Pick<ChunkRunner, 'run'>;
  readonly queue: Pick<JobQueue, 'add'>;
  readonly clock: Clock;
  readonly log: { debug(line: object): void; warn(line: object): void };
}

/** One chunk after the other, as the queue gives them: each is run, what is to come next is queued, and one line is logged. */
export class ChunkTurns {
  /** Chunks that ended here, and those that were given back when this process stopped. */
  readonly counts = { ended: 0, released: 0 };

  constructor(private readonly parts: ChunkTurnsParts) {}

  /** Runs a chunk to its end, unless the signal is aborted. Throws what the queue is to try again. */
  readonly run: ChunkProcessor = async ({ jobId, idx }, signal) => {
    const { runner, queue, clock, log } = this.parts;
    const startedAtMs = clock.monotonicMs();
    const line = (outcome: string) => {
      const ms = Math.round(clock.monotonicMs() - startedAtMs);
      return { event: 'chunk_ended', job: jobId, idx, ms, outcome };
    };
    try {
      const next = await runner.run(jobId, idx, signal);
      this.counts[signal.aborted ? 'released' : 'ended'] += 1;
      log.debug(line(signal.aborted ? 'released' : 'ended'));
      if (next) await queue.add([next]);
    } catch (err) {
      log.warn({ ...line('failed'), err });
      throw err;
    }
  };
}
