import { type Clock, QuaysideError, type Timer } from '@app/core';
import { type ModelVersion, versionKey } from '@app/model-registry';
import type { ExecutorChild, StartChild } from './child-process';
import type { Batch, BatchResult, LoadedModel } from './executor';
import type { ExecutorTimings } from './executor-options';
import { type Frame, FrameError, type FrameToSend, PROTOCOL } from './frames';
import {
  type ErrorAnswer,
  type Hello,
  type LoadQuestion,
  type LoadedAnswer,
  type RunAnswer,
  type RunQuestion,
  type UnloadQuestion,
  type UnloadedAnswer,
  packCalls,
  unpackTensors,
} from './messages';
import { type DeathCause, SlotDeath } from './slot-death';
import { SlotState, moveSlot } from './slot-state';

/** The id of a ping that belongs to no question. */
const NO_QUESTION = 0;

/** What a slot tells its pool. */
export interface SlotEvents {
  /** It became idle: it can take work. */
  readonly onIdle: (slot: Slot) => void;
  /** Its process is gone. `doing` is the key of the version that it ran or loaded. */
  readonly onDeath: (slot: Slot, cause: DeathCause, doing: string | undefined) => void;
  /** What the engine said of a failure; for the debug log. */
  readonly onDebug: (text: string) => void;
}

/** What a slot is made of. */
export interface SlotOptions {
  readonly start: StartChild;
  readonly clock: Clock;
  readonly timings: ExecutorTimings;
  readonly events: SlotEvents;
}

/** A version that a process opened; whether its rows may run together is known where it was probed. */
export type OpenedModel = Omit<LoadedModel, 'batching'> & Partial<Pick<LoadedModel, 'batching'>>;

/** How a version is opened. */
interface LoadOptions {
  readonly onOpen?: () => void;
  /** Whether to find out if its rows may run together. */
  readonly probe?: boolean;
}

/** A question under way. */
interface Pending {
  readonly id: number;
  readonly doing: string;
  /** The process has said that it lives: from now on it has the time that the question may take. */
  readonly onSign: () => void;
  readonly onFrame: (frame: Frame) => void;
  readonly fail: (error: Error) => void;
}

/** A question to the process: what to send, how long it may take, and which frames answer it. */
interface Question<T> {
  readonly frame: Omit<FrameToSend, 'id'>;
  readonly state: SlotState.Loading | SlotState.Busy;
  readonly doing: string;
  readonly limitMs: number;
  readonly tooLate: DeathCause;
  /** Gives the answer, or nothing when this frame is not the last one. */
  readonly read: (frame: Frame) => T | undefined;
}

/**
 * One executor process, from its start to its death, with the versions that it holds. It does one thing at a time; who
 * asks for more than that has a defect. Its states are those of `SlotState`; only `move` changes them. It kills a process
 * that does not keep its times. It knows no queue, no deadline of a caller and no replacement: its pool does.
 */
export class Slot {
  private current = SlotState.Starting;
  private pending: Pending | undefined;
  private timer: Timer | undefined;
  private lastId = 0;
  private lastHeardAtMs = Number.NEGATIVE_INFINITY;
  private cause: DeathCause = 'crashed';
  private readonly held = new Map<string, OpenedModel>();
  private readonly child: ExecutorChild;
  private readonly dead = Promise.withResolvers<void>();
  private hello: Hello | undefined;
  /** When it was started, and when it last began a batch; on the monotonic clock. */
  readonly startedAtMs: number;
  lastBatchAtMs = Number.NEGATIVE_INFINITY;
  /** Resident memory of the process; its pool reads it from time to time. */
  rssBytes = 0;

  constructor(private readonly options: SlotOptions) {
    this.startedAtMs = options.clock.monotonicMs();
    this.limit(options.timings.helloMs, 'no_hello');
    this.child = options.start({
      onFrame: (frame) => this.receive(frame),
      onBroken: (reason) => this.kill(reason instanceof FrameError ? 'broken_stream' : 'crashed'),
      onExit: (signal) => this.bury(signal),
    });
  }

  get state(): SlotState {
    return this.current;
  }

  get pid(): number | undefined {
    return this.current === SlotState.Dead ? undefined : this.child.pid;
  }

  /** Versions that it holds, by key. */
  get holds(): ReadonlyMap<string, OpenedModel> {
    return this.held;
  }

  /** Key of the version that it runs, loads or unloads. */
  get doing(): string | undefined {
    return this.pending?.doing;
  }

  /** The version of ONNX Runtime in the process; absent until it said hello. */
  get engineVersion(): string | undefined {
    return this.hello?.ort;
  }

  /** Whether it can still do something: now, or when it is done with what it does. */
  get isAlive(): boolean {
    return this.current !== SlotState.Draining && this.current !== SlotState.Dead;
  }

  /** Opens a version and warms it up; `onOpen` is called between the two. Throws model_load_failed, SlotDeath. */
  load(version: ModelVersion, { onOpen = () => {}, probe = false }: LoadOptions = {}): Promise<OpenedModel> {
    const key = versionKey(version);
    return this.ask({
      frame: { type: 'load', meta: { key, version, probe } satisfies LoadQuestion },
      state: SlotState.Loading,
      doing: key,
      limitMs: this.options.timings.loadMs,
      tooLate: 'load_timeout',
      read: ({ meta }) => {
        const { warm, signature, grownBytes, rssBytes, batching, debug } = meta as LoadedAnswer;
        if (debug !== undefined) this.options.events.onDebug(debug);
        if (!warm) return void onOpen();
        const model = { signature, residentBytes: Math.max(0, grownBytes), batching };
        this.rssBytes = rssBytes;
        this.held.set(key, model);
        return model;
      },
    });
  }

  /** Releases a version; gives how many bytes the process lost. Throws SlotDeath. */
  unload(key: string): Promise<number> {
    return this.ask({
      frame: { type: 'unload', meta: { key } satisfies UnloadQuestion },
      state: SlotState.Loading,
      doing: key,
      limitMs: this.options.timings.loadMs,
      tooLate: 'load_timeout',
      read: ({ meta }) => {
        const { rssBytes, freedBytes } = meta as UnloadedAnswer;
        this.rssBytes = rssBytes;
        this.held.delete(key);
        return freedBytes;
      },
    });
  }

  /** Runs a batch of a version that it holds. Throws what the task throws, inference_failed, SlotDeath. */
  run({ version, calls }: Pick<Batch, 'version' | 'calls'>): Promise<BatchResult> {
    const key = versionKey(version);
    const { heads, parts } = packCalls(calls);
    this.lastBatchAtMs = this.options.clock.monotonicMs();
    return this.ask({
      frame: { type: 'run', meta: { key, calls: heads } satisfies RunQuestion, parts },
      state: SlotState.Busy,
      doing: key,
      limitMs: version.manifest.execution.hardTimeoutMs,
      tooLate: 'hard_timeout',
      read: ({ meta, payload }) => {
        const { outputs, ...spent } = meta as RunAnswer;
        return { outputs: unpackTensors(outputs, payload), ...spent };
      },
    });
  }

  /** Asks the process to end once it has nothing to do, kills it when it does not; resolves when it is gone. */
  end(cause: DeathCause): Promise<void> {
    if (this.isAlive) {
      this.cause = cause;
      this.move(SlotState.Draining);
      this.child.end();
      this.limit(this.options.timings.endMs, cause);
    }
    return this.dead.promise;
  }

  /** Ends the process now; what it does fails with SlotDeath once it is gone. */
  kill(cause: DeathCause): void {
    if (this.current === SlotState.Dead) return;
    if (this.isAlive) {
      this.cause = cause;
      this.move(SlotState.Draining);
    }
    this.timer?.cancel();
    this.child.kill();
  }

  private ask<T>({ frame, state, doing, limitMs, tooLate, read }: Question<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const id = (this.lastId = (this.lastId % 0xffff_ffff) + 1);
    const onFrame = (answer: Frame): void => {
      const failed = answer.type === 'error';
      const value = failed ? undefined : read(answer);
      if (!failed && value === undefined) return;
      this.rest();
      if (value === undefined) reject(this.errorOf(answer));
      else resolve(value);
    };
    const onSign = (): void => this.limit(limitMs, tooLate);
    this.move(state);
    this.pending = { id, doing, onSign, onFrame, fail: reject };
    if (state === SlotState.Loading || this.isQuiet) this.ping(id);
    else onSign();
    this.send({ ...frame, id });
    return promise;
  }

  /**
   * Whether the process may have stopped unseen. One that is asked again and again shows by its answers that it lives, and
   * is spared the second frame.
   */
  private get isQuiet(): boolean {
    return this.options.clock.monotonicMs() - this.lastHeardAtMs >= this.options.timings.quietMs;
  }

  /** What does not fit into a frame fails like an answer of the process. */
  private send(frame: FrameToSend): void {
    try {
      this.child.send(frame);
    } catch (error) {
      const { pending } = this;
      this.rest();
      pending?.fail(
        new QuaysideError('invalid_input', 'The input is larger than an executor takes.', { cause: error }),
      );
    }
  }

  private receive(frame: Frame): void {
    this.lastHeardAtMs = this.options.clock.monotonicMs();
    if (frame.type === 'hello') return this.greet(frame.meta as Hello);
    if (frame.id === this.pending?.id)
      return frame.type === 'pong' ? this.pending.onSign() : this.pending.onFrame(frame);
    if (frame.type === 'pong' && this.current === SlotState.Idle) this.watch();
  }

  private greet(hello: Hello): void {
    if (hello.protocol !== PROTOCOL) return this.kill('broken_stream');
    if (this.current !== SlotState.Starting) return;
    this.hello = hello;
    this.rest();
  }

  /** Nothing to do: watched by pings. */
  private rest(): void {
    this.pending = undefined;
    if (!this.isAlive) return;
    this.move(SlotState.Idle);
    this.watch();
    this.options.events.onIdle(this);
  }

  private watch(): void {
    this.timer?.cancel();
    this.timer = this.options.clock.setTimer(this.options.timings.pingEveryMs, () => this.ping(NO_QUESTION));
  }

  /** A process that is asked this before something else answers it first: it reads its frames in order. */
  private ping(id: number): void {
    this.child.send({ type: 'ping', id, meta: {} });
    this.limit(this.options.timings.pongMs, 'no_pong');
  }

  /**
   * Kills the process unless something happens before. The kill waits a turn of the event loop: when this process was
   * held up itself, the answer may be there already, unread.
   */
  private limit(afterMs: number, cause: DeathCause): void {
    this.timer?.cancel();
    let cancelled = false;
    const timer = this.options.clock.setTimer(afterMs, () => setImmediate(() => cancelled || this.kill(cause)));
    this.timer = {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  private bury(signal: NodeJS.Signals | null): void {
    if (this.current === SlotState.Dead) return;
    const { pending } = this;
    if (this.cause === 'crashed' && signal === 'SIGKILL') this.cause = 'killed';
    this.timer?.cancel();
    this.pending = undefined;
    this.move(SlotState.Dead);
    pending?.fail(new SlotDeath(this.cause));
    this.dead.resolve();
    this.options.events.onDeath(this, this.cause, pending?.doing);
  }

  private errorOf({ meta }: Frame): QuaysideError {
    const { code, message, details, debug } = meta as ErrorAnswer;
    if (debug !== undefined) this.options.events.onDebug(debug);
    // A defect is logged with its cause by whoever answers; what the engine said stays in the debug log.
    return new QuaysideError(code, message, { details, ...(code === 'internal' && { cause: new Error(debug) }) });
  }

  private move(to: SlotState): void {
    this.current = moveSlot(this.current, to);
  }
}
