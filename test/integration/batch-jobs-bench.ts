import {
  BatchJobs,
  BatchJobsModule,
  type BatchJobsOptions,
  ChunkRunner,
  type JobInput,
  JobQueue,
  JobStore,
  type JobSubmission,
  RowInference,
} from '@app/batch-jobs';
import { BlobStore } from '@app/blob-store';
import {
  Clock,
  Drain,
  type JsonRecord,
  type JsonValue,
  QuaysideError,
  SystemClock,
  parseModelReference,
} from '@app/core';
import { Database } from '@app/database';
import { InferenceService, type ModelSchema } from '@app/inference';
import { FakeModelRegistry, InMemoryBlobStore, type TestDatabase, opened, testDatabase } from '@app/testing';
import { Global, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';

/** What a test changes of the options. */
export interface BenchChanges {
  readonly limits?: Partial<BatchJobsOptions['limits']>;
  readonly records?: Partial<BatchJobsOptions['records']>;
  readonly webhooks?: Partial<BatchJobsOptions['webhooks']>;
  /** Default: the bench's own, up. */
  readonly database?: Database;
}

const RECORDS: BatchJobsOptions['records'] = {
  windowChunks: 256,
  leaseMs: 600_000,
  lookAgainMs: 600_000,
  uploadSilenceMs: 600_000,
  resultsKeptMs: 600_000,
  jobsKeptMs: 1_200_000,
};
const LIMITS: BatchJobsOptions['limits'] = {
  ...{ rows: 100_000, bytes: 10_000_000, inflatedBytes: 20_000_000 },
  ...{ activeJobs: 1000, queuedRows: 1e9, uploads: 1000 },
};
const SILENT = { log: () => {}, warn: () => {}, error: () => {} };
const NO_DRAIN_MS = { 'stop-taking': 1000, finish: 0, flush: 0, close: 10_000 };

/** Jobs as a process has them, over a real database and a real queue, with blobs in memory and no model at all. */
export class BatchJobsBench implements AsyncDisposable {
  readonly blobs = new InMemoryBlobStore();
  readonly registry = new FakeModelRegistry();

  private constructor(readonly here: TestDatabase) {
    this.registry.add({ model: 'fraud', version: '7' });
  }

  static async open(): Promise<BatchJobsBench> {
    return new BatchJobsBench(await testDatabase());
  }

  /** A process of the server. */
  async process({ limits, records, webhooks, database = this.here.database }: BenchChanges = {}): Promise<JobsProcess> {
    const options: BatchJobsOptions = {
      queue: { redisUrl: undefined, server: { kind: 'url', url: this.here.url }, namespace: 'quayside_jobs' },
      records: { ...RECORDS, ...records },
      limits: { ...LIMITS, ...limits },
      chunkSeconds: 10,
      webhooks: { secret: undefined, allowedHosts: [], ...webhooks },
    };
    const imports = [this.surroundings(database), BatchJobsModule.forRoot(options)];
    const module = await Test.createTestingModule({ imports }).setLogger(SILENT).compile();
    await module.init();
    return new JobsProcess(module);
  }

  /** How many rows a table has. */
  async count(table: 'job' | 'job_chunk'): Promise<number> {
    const { rows } = await this.here.database.main.query<{ count: number }>(`select count(*)::int from ${table}`);
    return rows[0]?.count ?? NaN;
  }

  /** Keys of all files, in order. */
  async files(): Promise<readonly string[]> {
    const keys = [];
    for await (const { key } of this.blobs.list('')) keys.push(key);
    return keys.sort();
  }

  async lines(key: string): Promise<readonly unknown[]> {
    const text = await textOf((await this.blobs.get(key)) ?? []);
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  }

  /** Forgets all jobs and files. */
  async clear(): Promise<void> {
    await this.here.database.main.query('delete from job');
    await this.blobs.delete(await this.files());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.here.close();
  }

  private surroundings(database: Database) {
    const providers = [
      { provide: Clock, useClass: SystemClock },
      { provide: Drain, useFactory: (clock: Clock) => new Drain(clock), inject: [Clock] },
      { provide: Database, useValue: database },
      { provide: BlobStore, useValue: this.blobs },
      { provide: InferenceService, useValue: { schema: (reference: string) => this.schema(reference) } },
    ];
    @Global()
    @Module({ providers, exports: providers.map(({ provide }) => provide) })
    class Surroundings {}
    return Surroundings;
  }

  private schema(reference: string): ModelSchema {
    const part = {};
    const properties = { x: { type: 'number' }, text: { type: 'string' }, fail: { type: 'boolean' } };
    return {
      version: this.registry.resolve(parseModelReference(reference)),
      schema: {
        row: { type: 'object', properties, required: ['x'], additionalProperties: false },
        options: { type: 'object', properties: { top_k: { type: 'integer' } } },
        ...{ row_output: part, inputs: part, outputs: part },
      },
    };
  }
}

/** What one process has. */
export class JobsProcess implements AsyncDisposable {
  readonly jobs: BatchJobs;
  readonly store: JobStore;
  readonly queue: JobQueue;
  readonly drain: Drain;
  private readonly runner: ChunkRunner;
  private readonly closed = opened('process with jobs');

  constructor(private readonly module: TestingModule) {
    this.jobs = module.get(BatchJobs);
    this.store = module.get(JobStore);
    this.queue = module.get(JobQueue);
    this.drain = module.get(Drain);
    this.runner = new ChunkRunner({
      ...{ store: this.store, blobs: module.get(BlobStore), clock: module.get(Clock), inference: new EchoInference() },
      ...{ owner: 'worker', concurrency: 1, rowsAtOnce: 100, onDefect: () => {} },
    });
  }

  /** Runs chunks of a job as a worker does, without the queue. */
  async run(id: string, ...idxs: readonly number[]): Promise<void> {
    for (const idx of idxs) await this.runner.run(id, idx, new AbortController().signal);
  }

  /** The result lines that a reader gets now. */
  async read(id: string, query: Parameters<BatchJobs['results']>[1] = {}): Promise<string> {
    return textOf((await this.jobs.results(id, query)).lines);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain.run(NO_DRAIN_MS);
    await this.module.close();
    this.closed();
  }
}

/** Answers each row with itself; one with `fail` fails. */
class EchoInference extends RowInference {
  override infer(rows: readonly JsonRecord[]): Promise<readonly JsonValue[]> {
    if (rows.some(({ fail }) => fail)) return Promise.reject(new QuaysideError('inference_failed', 'It was told to.'));
    return Promise.resolve(rows as readonly JsonValue[]);
  }
}

/** A submission where a test says nothing else: two rows of JSONL. */
export function aSubmission(changes: Partial<JobSubmission> = {}): JobSubmission {
  return {
    ...{ model: 'fraud', class: 'normal', metadata: {}, onInvalid: 'record', options: {} },
    input: sent('{"x":1}\n{"x":2}\n'),
    signal: new AbortController().signal,
    ...changes,
  };
}

/** An input of these pieces. */
export function sent(
  pieces: string | AsyncIterable<Uint8Array>,
  how: Partial<JobInput> = {},
): { readonly stream: JobInput } {
  const bytes = typeof pieces === 'string' ? bytesOf(pieces) : pieces;
  return { stream: { bytes, format: 'ndjson', encoding: 'identity', ...how } };
}

/** So many rows of JSONL: `{"x":0}`, `{"x":1}`, … */
export function jsonl(rows: number, row: (x: number) => object = (x) => ({ x })): string {
  return Array.from({ length: rows }, (_, x) => `${JSON.stringify(row(x))}\n`).join('');
}

export async function* bytesOf(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

async function textOf(pieces: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all).toString();
}
