import type { NamedTensors } from '@app/core';
import type { Batch, Executor } from '@app/inference';
import { type ModelVersion, versionKey } from '@app/model-registry';
import { batchOf, callOf, floats, numbersOf } from '../integration/execution-harness';

/** An executor under test, and the means to bring it into the situations of the contract. */
export interface ExecutorSubject extends AsyncDisposable {
  readonly executor: Executor;
  /** `x` FP32 `[rows, 2]` comes back as `y`. */
  readonly identity: ModelVersion;
  /** Another one of the same kind. */
  readonly other: ModelVersion;
  /** A version whose files cannot be opened. */
  readonly broken: ModelVersion;
  /** A version that takes `goodInput` and fails on `badInput`. */
  readonly failing: ModelVersion;
  readonly goodInput: NamedTensors;
  readonly badInput: NamedTensors;
  /** A version that answers `lastingInput` after a while: not before `finish`, once `hold` was called. */
  readonly lasting: ModelVersion;
  readonly lastingInput: NamedTensors;
  /** A version that does not answer `endlessInput` within its hard timeout. */
  readonly endless: ModelVersion;
  readonly endlessInput: NamedTensors;
  hold(): void;
  finish(): void;
  /** Lets the process of the running batch die. */
  crash(): void;
  /** Lets the hard timeout of the running batch pass. */
  expire(): void;
  /** From now on `broken` fails to load, and `failing` fails on `badInput`. */
  breakLoads(): void;
  breakRuns(): void;
  healRuns(): void;
}

/** What every executor does; `make` gives a fresh one with nothing loaded. */
export function describeExecutor(name: string, make: () => Promise<ExecutorSubject>): void {
  describe(`${name} as an Executor`, () => {
    let subject: ExecutorSubject;
    beforeEach(async () => void (subject = await make()));
    afterEach(() => subject[Symbol.asyncDispose]());

    const echoOf = async (version: ModelVersion, values: readonly number[]): Promise<readonly number[]> => {
      const { outputs } = await subject.executor.run(batchOf(version, [callOf({ x: floats(values, 2) })]));
      return numbersOf(outputs[0]['y']);
    };
    /** Begins the batch that lasts; resolves when it runs. */
    const begin = async (more: Partial<Batch> = {}): Promise<{ done: Promise<unknown>; begun: () => number }> => {
      subject.hold();
      const running = Promise.withResolvers<void>();
      let begun = 0;
      const onStart = (): void => {
        begun += 1;
        running.resolve();
      };
      const batch = batchOf(subject.lasting, [callOf(subject.lastingInput)], { onStart, ...more });
      const done = subject.executor.run(batch);
      await Promise.race([running.promise, done]);
      return { done, begun: () => begun };
    };

    it('loads a version, tells its signature and counts it as resident', async () => {
      const loaded = await subject.executor.load(subject.identity);
      expect(loaded.signature.inputs).toEqual([{ name: 'x', dtype: 'FP32', shape: ['rows', 2] }]);
      expect(loaded.signature.outputs).toEqual([{ name: 'y', dtype: 'FP32', shape: ['rows', 2] }]);
      const keys = subject.executor.status().resident.map(({ key }) => key);
      expect(keys).toEqual([versionKey(subject.identity)]);
    });

    it('answers each call of a batch with its own rows, in order', async () => {
      const calls = [
        [1, 2],
        [3, 4, 5, 6],
        [7, 8],
      ].map((values) => callOf({ x: floats(values, 2) }));
      const { outputs } = await subject.executor.run(batchOf(subject.identity, calls));
      expect(outputs.map((output) => numbersOf(output['y']))).toEqual([
        [1, 2],
        [3, 4, 5, 6],
        [7, 8],
      ]);
    });

    it('loads a version that nobody loaded before it runs it', async () => {
      await expect(echoOf(subject.identity, [1, 2])).resolves.toEqual([1, 2]);
      expect(subject.executor.status().resident).toHaveLength(1);
    });

    it('keeps the answers of concurrent batches and of two models apart', async () => {
      const inputs = Array.from({ length: 20 }, (_, at) => [at, -at]);
      const versions = [subject.identity, subject.other];
      const answers = await Promise.all(inputs.map((values, at) => echoOf(versions[at % 2], values)));
      expect(answers.map((answer) => answer.map((value) => value + 0))).toEqual(inputs.map(([a, b]) => [a, b + 0]));
    });

    it('calls onStart once for a batch that runs once', async () => {
      const onStart = jest.fn();
      await subject.executor.run(batchOf(subject.identity, [callOf({ x: floats([1, 2]) })], { onStart }));
      expect(onStart).toHaveBeenCalledTimes(1);
    });

    it('fails a batch with a code of the catalogue, and runs the next one', async () => {
      subject.breakRuns();
      const bad = subject.executor.run(batchOf(subject.failing, [callOf(subject.badInput)]));
      await expect(bad).rejects.toMatchObject({ name: 'QuaysideError', code: 'inference_failed' });
      subject.healRuns();
      const good = subject.executor.run(batchOf(subject.failing, [callOf(subject.goodInput)]));
      await expect(good).resolves.toMatchObject({ outputs: [expect.anything()] });
    });

    it('refuses a version whose files cannot be opened, alike on load and on run', async () => {
      subject.breakLoads();
      await expect(subject.executor.load(subject.broken)).rejects.toMatchObject({ code: 'model_load_failed' });
      await expect(echoOf(subject.broken, [1, 2])).rejects.toMatchObject({ code: 'model_load_failed' });
      expect(subject.executor.status().resident).toEqual([]);
    });

    it('never begins a batch whose signal was aborted before', async () => {
      const onStart = jest.fn();
      const batch = batchOf(subject.identity, [callOf({ x: floats([1, 2]) })], {
        signal: AbortSignal.abort(),
        onStart,
      });
      await expect(subject.executor.run(batch)).rejects.toMatchObject({ code: 'client_closed' });
      expect(onStart).not.toHaveBeenCalled();
    });

    it('answers an aborted batch at once while it still runs, and runs the next one afterwards', async () => {
      const client = new AbortController();
      const { done } = await begin({ signal: client.signal });
      client.abort();
      await expect(done).rejects.toMatchObject({ code: 'client_closed' });
      subject.finish();
      await expect(echoOf(subject.identity, [1, 2])).resolves.toEqual([1, 2]);
    });

    it('runs a batch once more when its process dies', async () => {
      const { done, begun } = await begin();
      subject.crash();
      subject.finish();
      await expect(done).resolves.toMatchObject({ outputs: [expect.anything()] });
      expect(begun()).toBe(2);
    });

    it('fails a batch of several calls, and a suspect, with executor_crashed when their process dies', async () => {
      const two = [callOf(subject.lastingInput), callOf(subject.lastingInput)];
      for (const more of [{ calls: two }, { suspect: true }]) {
        const { done, begun } = await begin(more);
        subject.crash();
        await expect(done).rejects.toMatchObject({ code: 'executor_crashed' });
        expect(begun()).toBe(1);
      }
    });

    it('says whether a batch would begin at once, and tells when one may', async () => {
      const { executor, lasting } = subject;
      const freed = jest.fn();
      executor.serve({ onFree: freed, hasWork: () => false });
      expect(executor.room(lasting)).toBe('absent');
      await executor.load(lasting);
      expect(executor.room(lasting)).toBe('free');
      const { done } = await begin();
      expect(executor.room(lasting)).toBe('busy');
      freed.mockClear();
      subject.finish();
      await done;
      expect(freed).toHaveBeenCalled();
      expect(executor.room(lasting)).toBe('free');
    });

    it('says of a version that it loaded whether its rows may run together', async () => {
      const { batching } = await subject.executor.load(subject.identity);
      expect(batching).toEqual({ batchable: true, reason: expect.any(String) });
      await expect(subject.executor.load(subject.identity)).resolves.toMatchObject({ batching });
    });

    it('fails a batch with executor_crashed when its second process dies, too', async () => {
      subject.hold();
      let crashes = 0;
      const onStart = (): void => {
        crashes += 1;
        // Not before run() has done what it does at the start.
        setImmediate(() => subject.crash());
      };
      const run = subject.executor.run(batchOf(subject.lasting, [callOf(subject.lastingInput)], { onStart }));
      await expect(run).rejects.toMatchObject({ code: 'executor_crashed' });
      expect(crashes).toBe(2);
    });

    it('stops a batch at the hard timeout of its model, without a second try', async () => {
      subject.hold();
      const onStart = jest.fn(() => void setImmediate(() => subject.expire()));
      const run = subject.executor.run(batchOf(subject.endless, [callOf(subject.endlessInput)], { onStart }));
      await expect(run).rejects.toMatchObject({ code: 'deadline_exceeded', stage: 'executing' });
      expect(onStart).toHaveBeenCalledTimes(1);
      subject.finish();
      await expect(echoOf(subject.identity, [1, 2])).resolves.toEqual([1, 2]);
    });

    it('waits for running batches before it unloads their version, and knows of none that it never had', async () => {
      const { done } = await begin();
      let ended = false;
      void done.then(() => (ended = true));
      const unload = subject.executor.unload(subject.lasting);
      subject.finish();
      await unload;
      expect(ended).toBe(true);
      expect(subject.executor.status().resident).toEqual([]);
      await expect(subject.executor.unload(subject.other)).resolves.toBeUndefined();
    });

    it('finishes what runs when it closes, refuses the rest, and closes once', async () => {
      const { done } = await begin();
      const closing = Promise.all([subject.executor.close(), subject.executor.close()]);
      await expect(echoOf(subject.identity, [1, 2])).rejects.toMatchObject({ code: 'shutting_down' });
      await expect(subject.executor.load(subject.identity)).rejects.toMatchObject({ code: 'shutting_down' });
      subject.finish();
      await expect(done).resolves.toMatchObject({ outputs: [expect.anything()] });
      await closing;
      expect(subject.executor.status()).toMatchObject({ slots: [], running: 0 });
    });
  });
}
