import type { Timer } from '@app/core';
import { ManualClock, aModelVersion } from '@app/testing';
import { DEFAULT_MANIFEST, versionKey } from '@app/model-registry';
import type { ChildEvents } from './child-process';
import { EXECUTOR_TIMINGS } from './executor-options';
import { type FrameToSend, PROTOCOL } from './frames';
import { Slot } from './slot';
import { SlotDeath } from './slot-death';

const VERSION = aModelVersion({
  model: 'm',
  manifest: { ...DEFAULT_MANIFEST, execution: { ...DEFAULT_MANIFEST.execution, hardTimeoutMs: 400 } },
});
const KEY = versionKey(VERSION);
const LOADED = { signature: VERSION.signature, rssBytes: 100, grownBytes: 40 };

/** Lets something happen in the same turn of the event loop as a timer, right behind it. */
class WatchedClock extends ManualClock {
  afterEach = (): void => {};

  override setTimer(delayMs: number, callback: () => void): Timer {
    return super.setTimer(delayMs, () => {
      callback();
      this.afterEach();
    });
  }
}

/** A slot whose process is played by the test. */
class Stage {
  readonly clock = new WatchedClock();
  readonly sent: FrameToSend[] = [];
  readonly heard: string[] = [];
  killed = 0;
  ended = 0;
  private child: ChildEvents | undefined;
  readonly slot = new Slot({
    clock: this.clock,
    timings: EXECUTOR_TIMINGS,
    start: (events) => {
      this.child = events;
      return {
        pid: 42,
        send: (frame) => void this.sent.push(frame),
        end: () => void (this.ended += 1),
        kill: () => void (this.killed += 1),
      };
    },
    events: {
      onIdle: () => this.heard.push('idle'),
      onDeath: (_slot, cause, doing) => this.heard.push(`dead: ${cause}, ${doing ?? 'nothing'}`),
      onDebug: (text) => this.heard.push(`debug: ${text}`),
    },
  });

  /** The process says hello. */
  greet(protocol = PROTOCOL): this {
    const meta = { pid: 42, protocol, ort: '1.30.0', node: 'v24' };
    this.child!.onFrame({ type: 'hello', id: 0, meta, payload: new Uint8Array() });
    return this;
  }

  /** The process answers the ping that came with the last question. */
  sign(): void {
    this.child!.onFrame({ type: 'pong', id: this.sent.at(-1)!.id, meta: {}, payload: new Uint8Array() });
  }

  /** The process answers the last question. */
  answer(type: 'loaded' | 'unloaded' | 'result' | 'error' | 'pong', meta: object = {}): void {
    this.child!.onFrame({ type, id: this.sent.at(-1)!.id, meta, payload: new Uint8Array() });
  }

  exit(signal: NodeJS.Signals | null = null): void {
    this.child!.onExit(signal);
  }

  run(): Promise<unknown> {
    return this.slot.run({ version: VERSION, calls: [] });
  }
}

describe(Slot.name, () => {
  const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

  it('is idle once its process has said hello', () => {
    const stage = new Stage();
    expect(stage.slot.state).toBe('starting');
    stage.greet();
    expect(stage.slot).toMatchObject({ state: 'idle', engineVersion: '1.30.0', pid: 42 });
    expect(stage.heard).toEqual(['idle']);
  });

  it('kills a process that does not say hello in time, or speaks another protocol', async () => {
    const silent = new Stage();
    await silent.clock.advance(9_999);
    expect(silent.killed).toBe(0);
    await silent.clock.advance(1);
    expect(silent.killed).toBe(1);
    silent.exit();
    expect(silent.heard).toEqual(['dead: no_hello, nothing']);
    expect(new Stage().greet(99).killed).toBe(1);
  });

  it('pings an idle process every five seconds, and kills one that does not answer within one', async () => {
    const stage = new Stage().greet();
    await stage.clock.advance(5_000);
    expect(stage.sent.map(({ type }) => type)).toEqual(['ping']);
    stage.answer('pong');
    await stage.clock.advance(4_999);
    expect(stage.sent).toHaveLength(1);
    await stage.clock.advance(1);
    expect(stage.sent).toHaveLength(2);
    await stage.clock.advance(1_000);
    expect(stage.killed).toBe(1);
    stage.exit();
    expect(stage.heard.at(-1)).toBe('dead: no_pong, nothing');
  });

  it('takes a pong that came in while this process was held up itself', async () => {
    const stage = new Stage().greet();
    await stage.clock.advance(5_000);
    stage.clock.afterEach = () => stage.answer('pong');
    await stage.clock.advance(1_000);
    expect(stage).toMatchObject({ killed: 0, slot: { state: 'idle' } });
  });

  it.each([
    { what: 'a load', ask: ({ slot }: Stage) => slot.load(VERSION), limitMs: 120_000, tooLate: 'load_timeout' },
    { what: 'a release', ask: ({ slot }: Stage) => slot.unload(KEY), limitMs: 120_000, tooLate: 'load_timeout' },
    { what: 'a run after a pause', ask: (stage: Stage) => stage.run(), limitMs: 400, tooLate: 'hard_timeout' },
  ])('pings a process before $what: a stopped one is killed after a second', async ({ ask, limitMs, tooLate }) => {
    const stopped = new Stage().greet();
    await stopped.clock.advance(EXECUTOR_TIMINGS.quietMs);
    const lost = outcome(ask(stopped));
    const [ping, question] = stopped.sent;
    expect(ping).toMatchObject({ type: 'ping', id: question.id });
    await stopped.clock.advance(999);
    expect(stopped.killed).toBe(0);
    await stopped.clock.advance(1);
    expect(stopped.killed).toBe(1);
    stopped.exit();
    await expect(lost).resolves.toMatchObject({ deathCause: 'no_pong' });

    const alive = new Stage().greet();
    await alive.clock.advance(EXECUTOR_TIMINGS.quietMs);
    const late = outcome(ask(alive));
    alive.sign();
    await alive.clock.advance(limitMs - 1);
    expect(alive.killed).toBe(0);
    await alive.clock.advance(1);
    expect(alive.killed).toBe(1);
    alive.exit();
    await expect(late).resolves.toMatchObject({ deathCause: tooLate });
  });

  it('takes a pong to an earlier ping for no sign that the process has begun with a question', async () => {
    const stage = new Stage().greet();
    await stage.clock.advance(5_000);
    const run = outcome(stage.run());
    const question = stage.sent.pop()!;
    stage.sent.push({ type: 'ping', id: 0, meta: {} });
    stage.sign();
    stage.sent.push(question);
    await stage.clock.advance(1_000);
    expect(stage.killed).toBe(1);
    stage.exit();
    await expect(run).resolves.toMatchObject({ deathCause: 'no_pong' });
  });

  it('does not ping a busy process: its run has a clock of its own', async () => {
    const stage = new Stage().greet();
    const run = outcome(stage.run());
    await stage.clock.advance(399);
    expect(stage.sent.map(({ type }) => type)).toEqual(['run']);
    expect(stage.killed).toBe(0);
    await stage.clock.advance(1);
    expect(stage.killed).toBe(1);
    stage.exit();
    await expect(run).resolves.toMatchObject({ deathCause: 'hard_timeout' });
    expect(stage.heard.at(-1)).toBe(`dead: hard_timeout, ${KEY}`);
  });

  it('holds a version from its load to its release', async () => {
    const stage = new Stage().greet();
    const opened = jest.fn();
    const load = stage.slot.load(VERSION, { onOpen: opened });
    expect(stage.slot).toMatchObject({ state: 'loading', doing: KEY });
    stage.answer('loaded', { ...LOADED, warm: false });
    expect(opened).toHaveBeenCalledTimes(1);
    expect(stage.slot.state).toBe('loading');
    stage.answer('loaded', { ...LOADED, warm: true });
    await expect(load).resolves.toEqual({ signature: VERSION.signature, residentBytes: 40 });
    expect([...stage.slot.holds.keys()]).toEqual([KEY]);
    const unload = stage.slot.unload(KEY);
    stage.answer('unloaded', { rssBytes: 60, freedBytes: 40 });
    await expect(unload).resolves.toBe(40);
    expect(stage.slot).toMatchObject({ state: 'idle', rssBytes: 60 });
    expect(stage.slot.holds.size).toBe(0);
  });

  it('kills a process that loads for more than two minutes', async () => {
    const stage = new Stage().greet();
    const load = outcome(stage.slot.load(VERSION));
    stage.sign();
    await stage.clock.advance(120_000);
    expect(stage.killed).toBe(1);
    stage.exit();
    await expect(load).resolves.toMatchObject({ deathCause: 'load_timeout' });
  });

  it('fails with the code that the process gives, is idle again, and keeps the words of the engine to the debug log', async () => {
    const stage = new Stage().greet();
    const run = outcome(stage.run());
    stage.answer('error', { code: 'inference_failed', message: 'No.', details: [], debug: '/secret' });
    await expect(run).resolves.toMatchObject({ code: 'inference_failed', message: 'No.' });
    expect(stage.slot.state).toBe('idle');
    expect(stage.heard).toEqual(['idle', 'idle', 'debug: /secret']);
  });

  it('gives a defect of the process on as the cause of an internal error', async () => {
    const stage = new Stage().greet();
    const run = outcome(stage.run());
    stage.answer('error', { code: 'internal', message: 'A defect.', details: [], debug: 'TypeError: x' });
    await expect(run).resolves.toMatchObject({ code: 'internal', cause: { message: 'TypeError: x' } });
  });

  it('ignores an answer to a question that it did not ask', async () => {
    const stage = new Stage().greet();
    const run = stage.run();
    const { id } = stage.sent[0];
    stage.sent.push({ type: 'run', id: id + 1, meta: {} });
    stage.answer('result', { outputs: [] });
    expect(stage.slot.state).toBe('busy');
    stage.sent.pop();
    stage.answer('result', { outputs: [], inputMs: 1, inferMs: 2, outputMs: 3 });
    await expect(run).resolves.toEqual({ outputs: [], inputMs: 1, inferMs: 2, outputMs: 3 });
  });

  it('fails what it does when its process dies', async () => {
    const stage = new Stage().greet();
    const run = outcome(stage.run());
    stage.exit();
    await expect(run).resolves.toBeInstanceOf(SlotDeath);
    expect(stage.slot).toMatchObject({ state: 'dead', pid: undefined, isAlive: false });
    expect(stage.heard.at(-1)).toBe(`dead: crashed, ${KEY}`);
  });

  it('tells a process that was killed from outside from one that crashed, and from one that it killed itself', async () => {
    const ends = (['SIGKILL', 'SIGSEGV', null] as const).map((signal) => {
      const stage = new Stage().greet();
      stage.exit(signal);
      return stage.heard.at(-1);
    });
    expect(ends).toEqual(['dead: killed, nothing', 'dead: crashed, nothing', 'dead: crashed, nothing']);
    const own = new Stage();
    own.slot.kill('memory');
    own.exit('SIGKILL');
    expect(own.heard).toEqual(['dead: memory, nothing']);
  });

  it('asks its process to end, and kills it when it does not within two seconds', async () => {
    const stage = new Stage().greet();
    let gone = false;
    void stage.slot.end('replaced').then(() => (gone = true));
    expect(stage).toMatchObject({ ended: 1, killed: 0 });
    expect(stage.slot.state).toBe('draining');
    await stage.clock.advance(2_000);
    expect(stage.killed).toBe(1);
    expect(gone).toBe(false);
    stage.exit();
    await stage.slot.end('replaced');
    expect(stage.heard.at(-1)).toBe('dead: replaced, nothing');
    expect(stage.clock.pending).toBe(0);
  });

  it('throws when it is asked for a second thing at a time, or for anything after its end', async () => {
    const stage = new Stage().greet();
    const run = outcome(stage.run());
    expect(() => stage.run()).toThrow('cannot go from busy to busy');
    stage.exit();
    await run;
    expect(() => stage.run()).toThrow('cannot go from dead to busy');
  });
});
