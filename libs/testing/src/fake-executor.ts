import { type Clock, type ErrorCode, QuaysideError, type Tensor } from '@app/core';
import type {
  Batch,
  BatchResult,
  Executor,
  ExecutorStatus,
  LoadedModel,
  Room,
  TaskInput,
  TaskOutput,
  WorkSource,
} from '@app/inference';
import { type ModelVersion, versionKey } from '@app/model-registry';

/** What a fake executor answers to one call; what it throws fails the whole batch. */
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
  private readonly waiting = new Set<Running>();
  private readonly watchers = new Set<() => void>();
  private give: FakeAnswer = echo;
  private runFault: QuaysideError | undefined;
  private loadFault: QuaysideError | undefined;
  private hangs = false;
  private closed = false;
  private source: WorkSource = { onFree: () => {}, hasWork: () => false };
  private batching: LoadedModel['batching'] = { batchable: true, reason: 'Scripted by a test.' };
  private time: { readonly clock: Clock; readonly ms: (batch: Batch) => number } | undefined;

  /** Runs so many batches at once; others wait. */
  constructor(private readonly concurrency = 1) {}

  /** From now on a batch lasts for so long by the clock. */
  lasts(clock: Clock, ms: (batch: Batch) => number): this {
    this.time = { clock, ms };
    return this;
  }

  /** Versions that are loaded from now on may not be batched. */
  refuseBatching(reason = 'Scripted by a test.'): this {
    this.batching = { batchable: false, reason };
    return this;
  }

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
    for (const running of [...this.running]) this.finish(running);
  }

  /** Answers the batch that hangs longest, and goes on hanging. */
  releaseOne(): void {
    const [oldest] = this.running;
    if (oldest) this.finish(oldest);
  }

  /** Lets the processes of all hanging batches die: a batch that cannot be divided runs once more, if it is no suspect; others fail with executor_crashed. */
  crash(): void {
    for (const running of [...this.running]) {
      const { calls, suspect = false } = running.batch;
      running.crashes += 1;
      const isDivisible = calls.length > 1 || calls.some(({ rows, splittable }) => splittable && rows > 1);
      if (running.crashes === 1 && !isDivisible && !suspect) this.begin(running);
      else this.settle(running, () => running.reject(new QuaysideError('executor_crashed', 'It died.')));
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
    const loaded = { signature: version.signature, residentBytes: 1, batching: this.batching };
    this.loads.push(version);
    this.resident.set(key, loaded);
    return loaded;
  }

  async run(batch: Batch): Promise<BatchResult> {
    if (this.closed || !this.resident.has(versionKey(batch.version))) await this.load(batch.version);
    if (batch.signal.aborted) throw clientClosed();
    return new Promise((resolve, reject) => {
      const running = { batch, resolve, reject, crashes: 0 };
      batch.signal.addEventListener('abort', () => this.abort(running), { once: true });
      this.waiting.add(running);
      this.pump();
    });
  }

  room(version: ModelVersion): Room {
    if (!this.resident.has(versionKey(version))) return 'absent';
    return this.running.size + this.waiting.size < this.concurrency ? 'free' : 'busy';
  }

  serve(source: WorkSource): void {
    this.source = source;
  }

  async unload(version: ModelVersion): Promise<void> {
    const key = versionKey(version);
    while ([...this.running, ...this.waiting].some(({ batch }) => versionKey(batch.version) === key))
      await this.nextEvent();
    if (this.resident.delete(key)) this.unloads.push(version);
  }

  status(): ExecutorStatus {
    return {
      slots: this.closed ? [] : [{ state: 'idle', holds: [...this.resident.keys()] }],
      concurrency: this.concurrency,
      running: this.running.size,
      waiting: this.waiting.size,
      resident: [...this.resident].map(([key, { residentBytes }]) => ({ key, bytes: residentBytes, pinned: false })),
      restarts: 0,
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const { reject } of this.waiting) reject(shuttingDown());
    this.waiting.clear();
    while (this.running.size > 0) await this.nextEvent();
    this.resident.clear();
  }

  private abort(running: Running): void {
    this.waiting.delete(running);
    running.reject(clientClosed());
    this.tell();
  }

  private pump(): void {
    for (const running of this.waiting) {
      if (this.running.size >= this.concurrency) return;
      this.waiting.delete(running);
      this.running.add(running);
      this.begin(running);
    }
  }

  private begin(running: Running): void {
    this.batches.push(running.batch);
    running.batch.onStart?.();
    this.tell();
    if (this.hangs) return;
    if (this.time) this.time.clock.setTimer(this.time.ms(running.batch), () => this.finish(running));
    else queueMicrotask(() => this.finish(running));
  }

  private finish(running: Running): void {
    const { batch } = running;
    this.settle(running, () => {
      if (this.runFault) return running.reject(this.runFault);
      try {
        const outputs = batch.calls.map((call) => this.give(call, batch.version));
        running.resolve({ outputs, inputMs: 0, inferMs: 0, outputMs: 0 });
      } catch (error) {
        running.reject(error);
      }
    });
  }

  private settle(running: Running, answer: () => void): void {
    if (!this.running.delete(running)) return;
    answer();
    this.tell();
    this.pump();
    this.source.onFree();
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
