import { ManualClock } from '@app/testing';
import { ChunkConsumer } from './chunk-consumer';
import type { ChunkProcessor, ChunkWorker } from './chunk-worker';

const CHUNK = { jobId: `job_${'0'.repeat(32)}`, idx: 0 };
const NEVER = new AbortController().signal;

/** A worker of a queue that does what the test says. */
class ScriptedWorker implements ChunkWorker {
  readonly told: string[] = [];
  readonly firstConnection = Promise.withResolvers<void>();

  constructor(
    readonly process: ChunkProcessor,
    readonly failed: (fault: unknown) => void,
  ) {}

  waitUntilReady = (): Promise<void> => this.firstConnection.promise;
  run = (): Promise<void> => this.note('run');
  pause = (): Promise<void> => this.note('pause');
  close = (force?: boolean): Promise<void> => this.note(force ? 'close by force' : 'close');
  disconnect = (): Promise<void> => this.note('disconnect');

  private note(what: string): Promise<void> {
    this.told.push(what);
    return Promise.resolve();
  }
}

function build({ isUp = Promise.resolve() } = {}) {
  const clock = new ManualClock();
  const workers: ScriptedWorker[] = [];
  const events: string[] = [];
  const state = { waiting: 0, gaveUp: 0 };
  const chunks = { runs: 0, signals: [] as AbortSignal[], end: (): void => {}, fail: (_: Error): void => {} };
  const consumer = new ChunkConsumer({
    ...{ clock, concurrency: 2, whenDatabaseUp: () => isUp },
    build: ({ process, failed }) => {
      const worker = new ScriptedWorker(process, failed);
      workers.push(worker);
      return worker;
    },
    waiting: () => Promise.resolve(state.waiting),
    process: (_chunk, signal) => {
      chunks.runs += 1;
      chunks.signals.push(signal);
      return new Promise<void>((resolve, reject) => Object.assign(chunks, { end: resolve, fail: reject }));
    },
    gaveUp: () => (state.gaveUp += 1),
    log: (_level, { event }) => void events.push(event),
  });
  const latest = (): ScriptedWorker => workers.at(-1)!;
  return { clock, workers, events, state, chunks, consumer, latest };
}

/** A consumer whose worker takes chunks. */
async function taking() {
  const parts = build();
  parts.consumer.start();
  await parts.clock.advance(0);
  parts.latest().firstConnection.resolve();
  await parts.clock.advance(0);
  return parts;
}

describe(ChunkConsumer.name, () => {
  it('builds its worker only once the database answers, and lets it run only once it is connected', async () => {
    const up = Promise.withResolvers<void>();
    const { clock, workers, consumer, latest } = build({ isUp: up.promise });
    consumer.start();
    await clock.advance(60_000);
    expect(workers).toEqual([]);
    up.resolve();
    await clock.advance(0);
    expect(latest().told).toEqual([]);
    latest().firstConnection.resolve();
    await clock.advance(0);
    expect(latest().told).toEqual(['run']);
  });

  it('throws a worker away whose first connection fails, and builds another after a pause that grows', async () => {
    const { clock, workers, consumer, latest, events } = build();
    consumer.start();
    await clock.advance(0);
    for (const pauseMs of [100, 200, 400]) {
      const failed = latest();
      const { length } = workers;
      failed.firstConnection.reject(new Error('No.'));
      await clock.advance(pauseMs - 1);
      expect([failed.told, workers.length]).toEqual([['close'], length]);
      await clock.advance(1);
      expect(workers.length).toBe(length + 1);
    }
    latest().firstConnection.resolve();
    await clock.advance(0);
    expect(latest().told).toEqual(['run']);
    expect(events).toEqual(['chunk_worker_unavailable', 'chunk_worker_open']);
  });

  it('builds a silent worker anew when a minute has passed, and gives up when the next one is silent too', async () => {
    const { clock, workers, state, latest } = await taking();
    state.waiting = 1;
    await clock.advance(69_999);
    expect(workers).toHaveLength(1);
    await clock.advance(1);
    expect(workers[0]?.told).toEqual(['run', 'close']);
    latest().firstConnection.resolve();
    await clock.advance(60_000);
    expect([workers.length, state.gaveUp]).toEqual([2, 0]);
    await clock.advance(20_000);
    expect([workers.length, state.gaveUp]).toEqual([2, 1]);
  });

  it('takes no worker for silent that has given chunks, has no slot free, or has none to give', async () => {
    const { clock, workers, state, chunks, latest } = await taking();
    await clock.advance(200_000);
    state.waiting = 1;
    for (let round = 0; round < 4; round += 1) {
      await clock.advance(50_000);
      void latest().process(CHUNK, NEVER);
      chunks.end();
    }
    void latest().process(CHUNK, NEVER);
    void latest().process(CHUNK, NEVER);
    await clock.advance(200_000);
    expect(workers).toHaveLength(1);
  });

  it('makes the queue anew when somebody dropped its tables, and goes on with what runs', async () => {
    const { clock, workers, chunks, latest } = await taking();
    const run = latest().process(CHUNK, NEVER);
    latest().failed(Object.assign(new Error('relation does not exist'), { code: '42P01' }));
    await clock.advance(0);
    expect([workers.length, workers[0]?.told]).toEqual([2, ['run', 'close by force']]);
    expect(chunks.signals[0]?.aborted).toBe(false);
    chunks.end();
    await run;
  });

  it('tells of a fault once, however often it comes, and again after chunks came', async () => {
    const { latest, events, chunks } = await taking();
    const fault = (): void => latest().failed(new Error('No answer.'));
    for (let time = 0; time < 3; time += 1) fault();
    expect(events.slice(1)).toEqual(['chunk_worker_failed']);
    const run = latest().process(CHUNK, NEVER);
    chunks.end();
    await run;
    fault();
    expect(events.slice(1)).toEqual(['chunk_worker_failed', 'chunk_worker_failed']);
  });

  it('aborts a chunk that the queue gives to somebody else', async () => {
    const { latest, chunks } = await taking();
    const lost = new AbortController();
    const run = latest().process(CHUNK, lost.signal);
    lost.abort();
    expect(chunks.signals[0]?.aborted).toBe(true);
    chunks.end();
    await run;
  });

  it('passes on what a chunk throws, so that the queue tries it again', async () => {
    const { latest, chunks, consumer } = await taking();
    const run = latest().process(CHUNK, NEVER);
    chunks.fail(new Error('The disk is full.'));
    await expect(run).rejects.toThrow('The disk is full.');
    expect(consumer.active).toBe(0);
  });

  it('pauses, lets chunks end, and stops what takes too long and what comes late', async () => {
    const { clock, latest, chunks, consumer } = await taking();
    const run = latest().process(CHUNK, NEVER);
    await consumer.pause();
    expect(latest().told).toEqual(['run', 'pause']);
    const idle = jest.fn();
    void consumer.whenIdle().then(idle);
    await clock.advance(1000);
    expect([idle.mock.calls.length, chunks.signals[0]?.aborted]).toEqual([0, false]);
    consumer.stop();
    expect(chunks.signals[0]?.aborted).toBe(true);
    chunks.end();
    await run;
    await clock.advance(0);
    expect(idle).toHaveBeenCalled();
    void latest().process(CHUNK, NEVER);
    expect(chunks.signals[1]?.aborted).toBe(true);
    chunks.end();
  });

  it('closes for good: nothing is built any more', async () => {
    const { clock, workers, state, consumer, latest } = await taking();
    state.waiting = 1;
    await consumer.close();
    await consumer.close();
    latest().failed(Object.assign(new Error('gone'), { code: '3F000' }));
    await clock.advance(600_000);
    expect([workers.length, state.gaveUp, clock.pending]).toEqual([1, 0, 0]);
    expect(latest().told.filter((what) => what.startsWith('close'))).toEqual(['close']);
  });
});
