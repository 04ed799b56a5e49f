import {
  type ChunkDispatch,
  type JobStoreOptions,
  type QueueView,
  Reconciler,
  type ReconcilerOptions,
  type ReconcilerParts,
  type UpkeepLine,
} from '@app/batch-jobs';
import { InMemoryBlobStore, ManualClock } from '@app/testing';
import { JobsBench } from './jobs-bench';

/** A queue that says what it is told to, and keeps what it is given. */
export class ScriptedQueue {
  added: ChunkDispatch[] = [];
  asked: ChunkDispatch[] = [];
  /** What it knows of a chunk. Default: it has lost all. */
  place: (chunk: ChunkDispatch) => keyof QueueView = () => 'missing';
  takes = true;

  add(chunks: readonly ChunkDispatch[]): Promise<boolean> {
    if (this.takes) this.added.push(...chunks);
    return Promise.resolve(this.takes);
  }

  async view(chunks: readonly ChunkDispatch[]): Promise<QueueView> {
    this.asked.push(...chunks);
    const those = (place: keyof QueueView) => chunks.filter((chunk) => this.place(chunk) === place);
    return Promise.resolve({ held: those('held'), missing: those('missing'), spent: those('spent') });
  }

  /** The chunks that were added, as `<idx>.<dispatch>`. */
  get names(): readonly string[] {
    return this.added.map(({ idx, dispatch }) => `${idx}.${dispatch}`);
  }
}

export const LEASE_MS = 30_000;
export const ORPHAN_AGE_MS = 3_600_000;

/** A reconciler over a real database, with a queue, files and time of the test's own. */
export class ReconcilerBench implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly blobs = new InMemoryBlobStore(this.clock);
  queue = new ScriptedQueue();
  lines: UpkeepLine[] = [];
  /** How the database says that it is. */
  readonly database = { state: 'up' as 'up' | 'down', upMs: LEASE_MS };

  private constructor(readonly jobs: JobsBench) {}

  static async open(): Promise<ReconcilerBench> {
    return new ReconcilerBench(await JobsBench.open());
  }

  /** Forgets everything that a test has left. */
  async clear(): Promise<void> {
    await this.jobs.db.query('delete from job');
    this.queue = new ScriptedQueue();
    this.lines = [];
    this.blobs.recover();
    Object.assign(this.database, { state: 'up', upMs: LEASE_MS });
    await this.blobs.delete(await this.files());
  }

  reconciler({
    records = {},
    options = {},
    ...parts
  }: Partial<Omit<ReconcilerParts, 'options'>> & {
    readonly records?: Partial<JobStoreOptions>;
    readonly options?: Partial<ReconcilerOptions>;
  } = {}): Reconciler {
    return new Reconciler({
      ...{ store: this.jobs.storeWith(records), queue: this.queue, blobs: this.blobs, clock: this.clock },
      webhooks: { sendDue: () => Promise.resolve(0) },
      database: { status: () => this.database.state, upForMs: () => this.database.upMs },
      options: { everyMs: 10_000, leaseMs: LEASE_MS, orphanAgeMs: ORPHAN_AGE_MS, ...options },
      log: (_level, line) => this.lines.push(line),
      ...parts,
    });
  }

  get events(): readonly string[] {
    return this.lines.map(({ event }) => event);
  }

  /** Stores a file with some content. */
  async file(key: string): Promise<string> {
    await this.blobs.put(
      key,
      (async function* () {
        yield await Promise.resolve(Buffer.from(key));
      })(),
    );
    return key;
  }

  /** The keys of all files. */
  async files(): Promise<readonly string[]> {
    const keys: string[] = [];
    for await (const { key } of this.blobs.list('')) keys.push(key);
    return keys.sort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.jobs[Symbol.asyncDispose]();
  }
}
