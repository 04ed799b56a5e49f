import { Readable } from 'node:stream';
import type { BlobStore } from '@app/blob-store';
import { type Clock, newId } from '@app/core';
import type { NamedProbe } from '../records/blob-probes';
import type { JobStore } from '../records/job-store';
import { Rounds } from './rounds';

/** What a probe is made of. */
export interface BlobProbeParts {
  readonly store: Pick<JobStore, 'probes'>;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** The name of this machine, for the operator. */
  readonly host: string;
}

const CONTENT = Buffer.from('Processes that share jobs share this folder.\n');
const NOTED_EVERY_MS = 30_000;
const TRIED_AGAIN_AFTER_MS = 5000;

/** A process that writes blobs says so: it writes one, and names it in PostgreSQL for as long as it runs. */
export class BlobProbe {
  private readonly id = newId();
  private readonly rounds: Rounds;
  private isWritten = false;
  private isNamed = false;

  constructor(private readonly parts: BlobProbeParts) {
    const restMs = (): number => (this.isNamed ? NOTED_EVERY_MS : TRIED_AGAIN_AFTER_MS);
    this.rounds = new Rounds({ clock: parts.clock, restMs, work: () => this.note() });
  }

  /** Begins, in the background; call it once PostgreSQL is up. What fails is tried again. */
  start(): void {
    this.rounds.start();
  }

  /** Takes the probe away, as far as that can be done now. Safe to call twice. */
  async close(): Promise<void> {
    await this.rounds.close();
    const { store, blobs } = this.parts;
    try {
      // The name first: what has none is missed by nobody.
      if (this.isNamed) await store.probes.forget(this.id);
      this.isNamed = false;
      if (this.isWritten) await blobs.delete([probeKey(this.id)]);
      this.isWritten = false;
    } catch {
      // Nobody hears of this process any more, and the reconciler takes away what is left.
    }
  }

  private async note(): Promise<void> {
    const { store, blobs, host } = this.parts;
    try {
      if (!this.isWritten) await blobs.put(probeKey(this.id), Readable.from([CONTENT]));
      this.isWritten = true;
      await store.probes.note({ id: this.id, host });
      this.isNamed = true;
    } catch {
      // Whoever submits a job is told why; here it is only tried again.
    }
  }
}

/** Blobs of a process that runs cannot be read here; the message says whose, and what to do. */
export class BlobsNotShared extends Error {}

/**
 * Resolves when the probe of every process that runs can be read. Throws `BlobsNotShared` otherwise, and
 * database_unavailable.
 */
export async function assertSharedBlobs(store: Pick<JobStore, 'probes'>, blobs: BlobStore): Promise<void> {
  const unread = await unreadProbes(await store.probes.running(), blobs);
  if (unread.length === 0) return;
  // A process that stopped meanwhile has taken its own away.
  const running = new Set((await store.probes.running()).map(({ id }) => id));
  const hosts = [...new Set(unread.filter(({ id }) => running.has(id)).map(({ host }) => host))];
  if (hosts.length === 0) return;
  throw new BlobsNotShared(
    `The files of jobs that are written on ${hosts.join(', ')} cannot be read here. Every process has to be given the same ` +
      'folder as BLOB_DIR, on a file system that all machines share.',
  );
}

/** The key of the blob that a process has written. */
export function probeKey(id: string): string {
  return `probe/${id}`;
}

async function unreadProbes(probes: readonly NamedProbe[], blobs: BlobStore): Promise<readonly NamedProbe[]> {
  const unread: NamedProbe[] = [];
  for (const probe of probes) if (!(await canRead(blobs, probeKey(probe.id)))) unread.push(probe);
  return unread;
}

async function canRead(blobs: BlobStore, key: string): Promise<boolean> {
  try {
    const content = await blobs.get(key);
    content?.destroy();
    return content !== undefined;
  } catch {
    return false;
  }
}
