import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BlobStore } from '@app/blob-store';
import { type Clock, QuaysideError } from '@app/core';
import type { JobLimits } from '../batch-jobs-options';
import { allReadable } from '../input/all-readable';
import type { InputRow } from '../input/input-row';
import { limitRows } from '../input/input-limits';
import { readInput } from '../input/read-input';
import { valueRows } from '../input/value-rows';
import { type WrittenChunk, writeChunks } from '../input/write-chunks';
import type { JobUploads, UploadToSeal } from '../records/job-uploads';
import { ArrivingInput } from './arriving-input';
import { bodyHash } from './body-hash';
import { rowsPerChunk } from './chunk-size';
import type { JobSubmission } from './job-submission';
import type { CheckedSubmission } from './submission-check';
import { UploadPulse } from './upload-pulse';

/** A job that has begun, and where its rows come from and go to. */
export interface JobUploadParts {
  readonly jobId: string;
  readonly checked: CheckedSubmission;
  readonly submission: JobSubmission;
  readonly uploads: JobUploads;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly limits: JobLimits;
  readonly chunkSeconds: number;
  /** Of one worker with this model; undefined: nobody knows. */
  readonly rowsPerSecond: number | undefined;
  /** How often it says that it goes on. */
  readonly pulseMs: number;
}

/** Chunks that are named together: a transaction for each would cost more than their files. */
const GROUP = 20;

/** The job is no longer the upload's: somebody cancelled it, or it counts as interrupted. */
class NotWanted extends Error {}

/** Stores the rows of one job, chunk by chunk, as fast as they arrive and no faster than they are durable. */
export class JobUpload {
  private readonly arriving: ArrivingInput;
  private readonly hash;

  constructor(private readonly parts: JobUploadParts) {
    const { input, signal } = parts.submission;
    this.arriving = new ArrivingInput('stream' in input ? input.stream.bytes : nothing(), signal);
    this.hash = bodyHash(parts.submission);
  }

  /** Resolves when all of it is stored and named; undefined: the job has ended meanwhile. Throws as `BatchJobs.submit` does. */
  async run(): Promise<UploadToSeal | undefined> {
    const { jobId, uploads, clock, pulseMs: everyMs } = this.parts;
    const touch = (): Promise<boolean> => uploads.touch(jobId);
    const pulse = new UploadPulse({ clock, everyMs, touch, stopped: () => this.arriving.end(new NotWanted()) });
    try {
      const total = await this.storeAll();
      this.refuseAbsent();
      return { id: jobId, total, bodyHash: this.hash.digest('hex') };
    } catch (fault) {
      if (fault instanceof NotWanted) return undefined;
      throw fault;
    } finally {
      pulse.end();
    }
  }

  /** Gives how many rows there were. */
  private async storeAll(): Promise<number> {
    const { jobId, rowsPerSecond, chunkSeconds, blobs, submission } = this.parts;
    const rows = submission.onInvalid === 'reject' ? allReadable(this.rows()) : this.rows();
    const size = rowsPerChunk(rowsPerSecond, chunkSeconds);
    let total = 0;
    const group: WrittenChunk[] = [];
    for await (const chunk of writeChunks(rows, { jobId, rowsPerChunk: size, store: blobs })) {
      group.push(chunk);
      total += chunk.rows;
      if (group.length === GROUP) await this.name(group.splice(0));
    }
    await this.name(group);
    return total;
  }

  private async name(group: readonly WrittenChunk[]): Promise<void> {
    if (group.length === 0) return;
    if (!(await this.parts.uploads.addChunks(this.parts.jobId, group))) throw new NotWanted();
  }

  private rows(): AsyncIterable<readonly InputRow[]> {
    const { submission, checked, limits } = this.parts;
    const { idField, rowSchema } = checked;
    const { input } = submission;
    if ('rows' in input) return limitRows(given(valueRows(input.rows, idField)), limits.rows);
    const bytes = this.hashed();
    return readInput({ ...input.stream, bytes }, { limits, rowSchema, ...(idField && { idField }) });
  }

  private async *hashed(): AsyncGenerator<Uint8Array> {
    for await (const piece of this.arriving) {
      this.hash.update(piece);
      yield piece;
    }
  }

  /** Who left before the job is a promise does not want it. */
  private refuseAbsent(): void {
    const { signal } = this.parts.submission;
    if (signal.aborted)
      throw new QuaysideError('client_closed', 'The client left before the job was taken.', { cause: signal.reason });
  }
}

/** Batches that are there already; between two of them this process does what else it has to. */
async function* given<T>(batches: Iterable<T>): AsyncGenerator<T> {
  for (const batch of batches) {
    yield batch;
    await nextTurn();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
