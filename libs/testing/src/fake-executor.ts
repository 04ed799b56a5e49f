import { type ErrorCode, QuaysideError, type Tensor } from '@app/core';
import type { Batch, BatchResult, Executor, ExecutorStatus, LoadedModel, TaskInput, TaskOutput } from '@app/inference';
import { type ModelVersion, versionKey } from '@app/model-registry';

/** What a fake executor answers to one call. */
export type FakeAnswer = (call: TaskInput, version: ModelVersion) => TaskOutput;

/** A batch that runs, or hangs. */
interface Running {
  readonly batch: Batch;
  readonly resolve: (result: BatchResult) => void;
  readonly reject: (error: unknown) => void;
  crashes: number;
}

/**
 * An executor without processes, for tests. It answers at once with an echo of its input; a script makes it answer
 * something else, fail, hang or crash. It keeps to the contract of `Executor`, and passes the same suite as the real one.
 * It implements that class and does not extend it: so no spec that needs something else of this library loads Nest.
 *
 *     const executor = new FakeExecutor().hang();
 *     const answer = scheduler.submit(aCall());
 *     await executor.hasStarted(1);
 *     executor.release();
 */
export class FakeExecutor implements Executor {
  /** Every batch that was begun, in order; one that crashed and was tried again is there twice. */
  readonly batches: Batch[] = [];
  /** Every version that was loaded, in order. */
  readonly loads: ModelVersion[] = [];
  /** Every version that was released, in order. */
  readonly unloads: ModelVersion[] = [];
  private readonly resident = new Map<string, LoadedModel>();
  private readonly running = new Set<Running>();
  private readonly watchers = new Set<() => void>();
  private give: FakeAnswer = echo;
  private runFault: QuaysideError | undefined;
  private loadFault: QuaysideError | undefined;
  private hangs = false;
  private closed = false;

  /** Answers this from now on, also where it failed before. */
  answer(give: FakeAnswer): this {
    this.give = give;
    this.runFault = undefined;
    return this;
  }

  /** Fails every batch from now on, until `answer` or `recover`. */
  fail(code: ErrorCode, message = 'Scripted by a test.'): this {
    this.runFault = new QuaysideError(code, message);
    return this;
  }

  /** Fails every load of a version that is not resident from now on, until `recover`. */
  failLoad(code: ErrorCode, message = 'Scripted by a test.'): this {
    this.loadFault = new QuaysideError(code, message);
    return this;
  }

  /** Fails no more. */
  recover(): this {
    this.runFault = undefined;
    this.loadFault = undefined;
    return this;
  }

  /** Answers nothing from now on, until `release`. */
  hang(): this {
    this.hangs = true;
    return this;
  }

  /** Answers what hangs, in order, and hangs no more. */
  release(): void {
    this.hangs = false;
    for (const running of this.running) this.finish(running);
  }

  /** Lets the processes of all hanging batches die: each runs once more, and fails with executor_crashed when that was it. */
  crash(): void {
    for (const running of [...this.running]) {
      running.crashes += 1;
      if (running.crashes === 1) this.begin(running);
      else this.settle(running, () => running.reject(new QuaysideError('executor_crashed', 'It died twice.')));
    }
  }

  /** Lets all hanging batches reach the hard timeout of their model. */
  expire(): void {
    for (const running of [...this.running]) {
      const error = new QuaysideError('deadline_exceeded', 'It ran too long.', { stage: 'executing' });
      this.settle(running, () => running.reject(error));
    }
  }

  /** Resolves when so many batches have begun since the start. */
  async hasStarted(count: number): Promise<void> {
    while (this.batches.length < count) await this.nextEvent();
  }

  async load(version: ModelVersion): Promise<LoadedModel> {
    if (this.closed) throw shuttingDown();
    const key = versionKey(version);
    const held = this.resident.get(key);
    if (held) return held;
    if (this.loadFault) throw this.loadFault;
    const loaded = { signature: version.signature, residentBytes: 1, loadMs: 0 };
    this.loads.push(version);
    this.resident.set(key, loaded);
    return loaded;
  }

  async run(batch: Batch): Promise<BatchResult> {
    await this.load(batch.version);
    if (batch.signal.aborted) throw clientClosed();
    return new Promise((resolve, reject) => {
      const running = { batch, resolve, reject, crashes: 0 };
      batch.signal.addEventListener('abort', () => reject(clientClosed()), { once: true });
      this.running.add(running);
      this.begin(running);
    });
  }

  async unload(version: ModelVersion): Promise<void> {
    const key = versionKey(version);
    while ([...this.running].some(({ batch }) => versionKey(batch.version) === key)) await this.nextEvent();
    if (this.resident.delete(key)) this.unloads.push(version);
  }

  status(): ExecutorStatus {
    return {
      slots: this.closed ? [] : [{ state: 'idle', holds: [...this.resident.keys()], rssBytes: 0 }],
      concurrency: 1,
      running: this.running.size,
      waiting: 0,
      resident: [...this.resident].map(([key, { residentBytes }]) => ({ key, bytes: residentBytes, pinned: false })),
      restarts: 0,
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    while (this.running.size > 0) await this.nextEvent();
    this.resident.clear();
  }

  private begin(running: Running): void {
    this.batches.push(running.batch);
    running.batch.onStart?.();
    this.tell();
    if (!this.hangs) queueMicrotask(() => this.finish(running));
  }

  private finish(running: Running): void {
    const { batch } = running;
    this.settle(running, () => {
      if (this.runFault) return running.reject(this.runFault);
      const outputs = batch.calls.map((call) => this.give(call, batch.version));
      running.resolve({ outputs, inputMs: 0, inferMs: 0, outputMs: 0 });
    });
  }

  private settle(running: Running, answer: () => void): void {
    if (!this.running.delete(running)) return;
    answer();
    this.tell();
  }

  private nextEvent(): Promise<void> {
    return new Promise((resolve) => this.watchers.add(resolve));
  }

  private tell(): void {
    for (const watcher of this.watchers) watcher();
    this.watchers.clear();
  }
}

/** Every output of the version is the input at the same place, so that an answer tells which input it belongs to. */
export function echo({ tensors, outputs }: TaskInput, { signature }: ModelVersion): TaskOutput {
  const given = Object.entries(tensors);
  const names = signature.outputs.length > 0 ? signature.outputs.map(({ name }) => name) : given.map(([name]) => name);
  const wanted = outputs.length > 0 ? outputs : names;
  const answered: Record<string, Tensor> = Object.create(null);
  for (const name of wanted) answered[name] = given[Math.max(0, names.indexOf(name)) % given.length][1];
  return answered;
}

function clientClosed(): QuaysideError {
  return new QuaysideError('client_closed', 'The client left before the answer.');
}

function shuttingDown(): QuaysideError {
  return new QuaysideError('shutting_down', 'The server is stopping.');
}
