import type { BlobStore } from '@app/blob-store';
import { type Clock, QuaysideError, isQuaysideError } from '@app/core';
import { resultKey } from '../records/chunk-keys';
import type { ChunkLeases, ChunkResult, ClaimedChunk, HeldChunk } from '../records/chunk-leases';
import type { ChunkDispatch, JobRecord } from '../records/job-record';
import type { ModelRates } from '../records/model-rates';
import { ChunkRun } from './chunk-run';
import { failureKind } from './failure-kind';
import { throughOutage } from './pause';
import { PatientModel } from './patient-model';
import type { RowInference } from './row-inference';
import { RunTurns } from './run-turns';
import { WindowSize } from './window-size';
import { WorkerRates } from './worker-rates';

/** What chunks are run with. */
export interface ChunkRunnerParts {
  /** `JobStore` is one. */
  readonly store: {
    readonly leases: Pick<ChunkLeases, 'claim' | 'heartbeat' | 'commit' | 'release' | 'probe' | 'fail'>;
    readonly rates: Pick<ModelRates, 'read' | 'record'>;
  };
  readonly blobs: BlobStore;
  readonly inference: RowInference;
  readonly clock: Clock;
  /** Of the chunks that are claimed here: names this process. */
  readonly owner: string;
  /** Chunks that run at once at most. */
  readonly concurrency: number;
  /** Rows of all of them that `inference` takes at once. */
  readonly rowsAtOnce: number;
  /** A row brought a defect to light, which is to be logged; the row's own error tells nothing of it. */
  readonly onDefect: (fault: unknown) => void;
}

/** A chunk that this process has. */
interface Holding {
  readonly held: HeldChunk;
  /** Stops its run: it was lost, or its job was cancelled or has ended. */
  readonly stop: AbortController;
}

/** From so many deaths of its workers on, a chunk runs alone in its process, and its rows one by one. */
const CAREFUL_FROM_CRASHES = 2;
const ROWS_OF_A_WINDOW = 256;
/** Of the rows that may be under way: two windows a chunk, and room for rows that are told apart. */
const WINDOWS_PER_CHUNK = 3;

class Stopped extends Error {
  override readonly name = 'Stopped';
}

/**
 * Runs chunks: claim → rows → answers → result file → commit. A file counts only once it is committed, and its key has the
 * epoch of its claim, so that two workers on one chunk do no harm: the first commit wins. A chunk that cannot go on is given
 * back. The file is deleted only where the commit is known to be lost; else what no row names is left to the clean-up.
 */
export class ChunkRunner {
  private readonly holdings = new Set<Holding>();
  private readonly rates: WorkerRates;
  private readonly turns = new RunTurns();

  constructor(private readonly parts: ChunkRunnerParts) {
    this.rates = new WorkerRates(parts.clock);
  }

  /** Chunks that this process has now. */
  get held(): number {
    return this.holdings.size;
  }

  /**
   * Runs a chunk to its end, unless somebody else has it or it needs none. Gives what is to be queued then. An aborted signal
   * stops it at once: it is given back, and is to be queued again. Throws what may pass, after giving the chunk back: the queue is to try again.
   */
  async run(jobId: string, idx: number, signal: AbortSignal): Promise<ChunkDispatch | undefined> {
    if (signal.aborted) throw new Stopped('The worker is stopping.');
    const claimed = await this.parts.store.leases.claim(jobId, idx, this.parts.owner);
    if (!claimed) return undefined;
    const holding = { held: { jobId, idx, epoch: claimed.chunk.epoch }, stop: new AbortController() };
    this.holdings.add(holding);
    try {
      return await this.runHeld(claimed, holding, AbortSignal.any([signal, holding.stop.signal]));
    } finally {
      this.holdings.delete(holding);
      // Windows that were begun ahead of a fault.
      holding.stop.abort();
    }
  }

  /** Says that this process lives, for every chunk it has, and stops the runs that are wanted no more. Throws database_unavailable. */
  async heartbeat(): Promise<void> {
    const holdings = [...this.holdings];
    if (holdings.length === 0) return;
    const unwanted = new Set(await this.parts.store.leases.heartbeat(holdings.map(({ held }) => held)));
    for (const { held, stop } of holdings)
      if (unwanted.has(held)) stop.abort(new Stopped('The chunk is not wanted any more.'));
  }

  private async runHeld(
    claimed: ClaimedChunk,
    holding: Holding,
    signal: AbortSignal,
  ): Promise<ChunkDispatch | undefined> {
    const { held, stop } = holding;
    const { leases } = this.parts.store;
    try {
      return await this.commit(held, await this.inTurn(claimed, holding, signal), signal);
    } catch (fault) {
      const wasStopped = signal.aborted;
      // Rows that were asked about ahead of the fault.
      stop.abort();
      if (wasStopped) return leases.release(held, { reason: 'stopped' });
      if (failureKind(fault) === 'gone') return this.failJob(claimed.job, held);
      const error = isQuaysideError(fault) ? fault : defect(fault);
      await leases.release(held, { reason: 'failed', error: `${error.code}: ${error.message}` });
      throw error;
    }
  }

  /** A death would be blamed on the row that is probed in each chunk here: that of one which only ran beside the guilty one too. */
  private inTurn(claimed: ClaimedChunk, holding: Holding, signal: AbortSignal): Promise<WrittenResults> {
    const write = (): Promise<WrittenResults> => this.write(claimed, holding, signal);
    return isCareful(claimed) ? this.turns.runAlone(write, signal) : this.turns.runTogether(write, signal);
  }

  private async write({ chunk, job }: ClaimedChunk, holding: Holding, signal: AbortSignal): Promise<WrittenResults> {
    const { parts } = this;
    const { store, blobs, clock } = parts;
    const rate = this.rates.measure(job.digest);
    const model = new PatientModel({ ...parts, job, signal, onAnswers: (rows) => rate.answer(rows) });
    const careful = isCareful({ chunk });
    const run = new ChunkRun(chunk, {
      ...{ blobs, clock, signal, ask: model.ask },
      window: new WindowSize({ maxRows: this.windowRows, rowsPerSecond: await store.rates.read(job.digest) }),
      probe: careful ? (row) => this.probe(holding, row) : undefined,
    });
    const key = resultKey(chunk);
    const { sha256 } = await blobs.put(key, run.lines());
    const rowsPerSecond = careful ? undefined : rate.read();
    return { ...run.totals, resultKey: key, sha256, digest: job.digest, rowsPerSecond };
  }

  private async commit(
    held: HeldChunk,
    results: WrittenResults,
    signal: AbortSignal,
  ): Promise<ChunkDispatch | undefined> {
    const { store, blobs, clock } = this.parts;
    const { rowsPerSecond, digest, ...result } = results;
    const commit = await throughOutage(() => store.leases.commit({ ...held, ...result }), clock, signal);
    if (commit.outcome === 'lost') {
      await blobs.delete([result.resultKey]).catch(() => undefined);
      return undefined;
    }
    if (rowsPerSecond !== undefined) await store.rates.record(digest, rowsPerSecond).catch(() => undefined);
    return commit.next;
  }

  private async failJob({ id, model, modelVersion }: JobRecord, held: HeldChunk): Promise<ChunkDispatch | undefined> {
    const { leases } = this.parts.store;
    const message = `Model "${model}" version ${modelVersion}, which the job was made for, is not served any more.`;
    const hasFailed = await leases.fail(id, { code: 'model_gone', message });
    const next = await leases.release(held, { reason: 'stopped' });
    return hasFailed ? undefined : next;
  }

  private async probe({ held, stop }: Holding, row: number | undefined): Promise<void> {
    if (await this.parts.store.leases.probe(held, row)) return;
    stop.abort(new Stopped('The chunk was lost.'));
    stop.signal.throwIfAborted();
  }

  private get windowRows(): number {
    const { rowsAtOnce, concurrency } = this.parts;
    return Math.max(1, Math.min(ROWS_OF_A_WINDOW, Math.floor(rowsAtOnce / (concurrency * WINDOWS_PER_CHUNK))));
  }
}

function isCareful({ chunk }: Pick<ClaimedChunk, 'chunk'>): boolean {
  return chunk.crashes >= CAREFUL_FROM_CRASHES;
}

/** The file of a chunk, and what it holds. */
type WrittenResults = Omit<ChunkResult, keyof HeldChunk> & {
  readonly digest: string;
  /** Of this worker; undefined where it was not measured. */
  readonly rowsPerSecond: number | undefined;
};

/** Its own words may hold values of a row, and these go into the queue. */
function defect(cause: unknown): QuaysideError {
  return new QuaysideError('internal', 'A defect kept the chunk from being run.', { cause });
}
