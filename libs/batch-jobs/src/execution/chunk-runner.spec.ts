import { text } from 'node:stream/consumers';
import { type JsonRecord, type JsonValue, QuaysideError } from '@app/core';
import { InMemoryBlobStore, ManualClock, inPieces } from '@app/testing';
import fc from 'fast-check';
import { inputKey } from '../records/chunk-keys';
import type { ChunkCommit, ChunkRelease, ChunkResult, ClaimedChunk, HeldChunk } from '../records/chunk-leases';
import type { ChunkRecord } from '../records/chunk-record';
import type { ChunkDispatch, JobRecord } from '../records/job-record';
import { ChunkRunner, type ChunkRunnerParts } from './chunk-runner';
import { ModelGone, RowInference, type RowsRun } from './row-inference';

const JOB_ID = `job_${'0'.repeat(32)}`;
const FIRST_ROW = 1000;
const JOB = { id: JOB_ID, model: 'm', modelVersion: '1', digest: 'd', params: {} } as JobRecord;

/** The records of one chunk, under the rules of the real ones. */
class ScriptedLeases {
  chunk: ChunkRecord;
  probed: number | undefined;
  failure: string | undefined;
  committed: ChunkResult | undefined;
  readonly released: ChunkRelease[] = [];
  isWanted = true;
  outages = 0;

  constructor(rows: number) {
    this.chunk = {
      ...{ jobId: JOB_ID, idx: 3, firstRow: FIRST_ROW, rows, inputKey: inputKey(JOB_ID, 3), status: 'pending' },
      ...{ dispatch: 0, epoch: 0, failures: 0, crashes: 0, badRows: [], okRows: 0, errRows: 0 },
      ...{ resultKey: undefined, sha256: undefined, lastError: undefined },
    };
  }

  claim = (): Promise<ClaimedChunk | undefined> => {
    if (this.chunk.status !== 'pending') return Promise.resolve(undefined);
    this.change({ status: 'running', epoch: this.chunk.epoch + 1 });
    return Promise.resolve({ chunk: this.chunk, job: JOB });
  };

  heartbeat = (held: readonly HeldChunk[]): Promise<readonly HeldChunk[]> =>
    Promise.resolve(held.filter((each) => !this.isWanted || !this.isHeld(each)));

  commit = (result: ChunkResult): Promise<ChunkCommit> => {
    if (this.outages-- > 0) return Promise.reject(new QuaysideError('database_unavailable', 'Down.'));
    if (!this.isHeld(result)) return Promise.resolve({ outcome: 'lost' });
    this.committed = result;
    const { resultKey, sha256, okRows, errRows } = result;
    this.change({ status: 'done', resultKey, sha256, okRows, errRows });
    return Promise.resolve({ outcome: 'committed', next: undefined });
  };

  release = (held: HeldChunk, release: ChunkRelease): Promise<ChunkDispatch | undefined> => {
    if (!this.isHeld(held)) return Promise.resolve(undefined);
    this.released.push(release);
    this.probed = undefined;
    this.change({ status: 'pending' });
    return Promise.resolve(release.reason === 'failed' ? undefined : this.dispatch);
  };

  probe = (held: HeldChunk, row: number | undefined): Promise<boolean> => {
    if (!this.isHeld(held)) return Promise.resolve(false);
    this.probed = row;
    return Promise.resolve(true);
  };

  fail = (_jobId: string, { code }: { readonly code: string }): Promise<boolean> => {
    this.failure = code;
    return Promise.resolve(true);
  };

  /** The worker gave no sign of life. */
  expire(): void {
    const { badRows, crashes } = this.chunk;
    this.change({
      ...{ status: 'pending', crashes: crashes + 1 },
      badRows: this.probed === undefined ? badRows : [...badRows, this.probed],
    });
    this.probed = undefined;
  }

  /** A client wants the failed rows to run again. */
  retry(): void {
    this.change({ status: 'pending', crashes: 0 });
  }

  get dispatch(): ChunkDispatch {
    return { jobId: JOB_ID, idx: 3, dispatch: 1, class: 'normal' };
  }

  private isHeld({ epoch }: HeldChunk): boolean {
    return this.chunk.status === 'running' && this.chunk.epoch === epoch;
  }

  private change(changes: Partial<ChunkRecord>): void {
    this.chunk = { ...this.chunk, ...changes };
  }
}

/** What becomes of a row that a model is asked about. */
type Fate = 'ok' | 'refused' | 'defect' | 'kills' | 'kills, named' | 'hangs' | 'kills the worker';

/** Answers `{v: n}` with n; `before` may throw, or wait, before any call. */
class FatedRows extends RowInference {
  readonly asked: (readonly number[])[] = [];
  died = Promise.withResolvers<void>();

  constructor(
    private readonly fates: readonly Fate[],
    private readonly before: (call: number, run: RowsRun) => void | Promise<void> = () => {},
  ) {
    super();
  }

  override async infer(rows: readonly JsonRecord[], run: RowsRun): Promise<readonly JsonValue[]> {
    this.asked.push(run.indexes);
    await this.before(this.asked.length, run);
    run.signal.throwIfAborted();
    const fates = run.indexes.map((index) => this.fates[index - FIRST_ROW] ?? 'ok');
    if (fates.includes('kills the worker')) {
      this.died.resolve();
      await new Promise(() => {});
    }
    const crash = fates.findIndex((fate) => fate.startsWith('kills'));
    if (crash >= 0) throw crashOf(fates[crash], crash, rows.length);
    if (fates.includes('hangs')) throw new QuaysideError('deadline_exceeded', 'Hung.', { stage: 'executing' });
    const refused = fates.indexOf('refused');
    if (refused >= 0) throw refusal(refused);
    if (fates.includes('defect')) throw new TypeError('value 12 of a row');
    return rows.map(({ v }) => v as JsonValue);
  }
}

function crashOf(fate: Fate, place: number, rows: number): QuaysideError {
  const details = fate === 'kills, named' && rows > 1 ? [{ field: `rows[${place}]`, code: 'c', message: '' }] : [];
  return new QuaysideError('executor_crashed', 'Died.', { details });
}

function refusal(place: number): QuaysideError {
  const details = [{ field: `rows[${place}].v`, code: 'wrong_type', message: 'No.' }];
  return new QuaysideError('invalid_input', 'No.', { details });
}

const CODES: Readonly<Record<Fate, string | undefined>> = {
  ok: undefined,
  refused: 'invalid_input',
  defect: 'internal',
  kills: 'worker_crash',
  'kills, named': 'worker_crash',
  hangs: 'worker_crash',
  'kills the worker': 'worker_crash',
};

const noSignal = (): AbortSignal => new AbortController().signal;

class Bench {
  readonly blobs = new InMemoryBlobStore();
  readonly clock = new ManualClock();
  readonly defects: unknown[] = [];
  readonly rates: number[] = [];
  readonly leases: ScriptedLeases;

  private constructor(rows: number) {
    this.leases = new ScriptedLeases(rows);
  }

  /** `unreadable`: places of rows that are stored with an error. */
  static async of(rows: number, unreadable: readonly number[] = []): Promise<Bench> {
    const bench = new Bench(rows);
    const lines = Array.from({ length: rows }, (_, at) => {
      const row = unreadable.includes(at) ? { error: { code: 'invalid_json' } } : { row: { v: at } };
      return `${JSON.stringify({ i: FIRST_ROW + at, id: `id-${at}`, ...row })}\n`;
    });
    await bench.blobs.put(inputKey(JOB_ID, 3), inPieces(lines.join('')));
    return bench;
  }

  runner(inference: RowInference, more: Partial<ChunkRunnerParts> = {}): ChunkRunner {
    const { blobs, clock, leases } = this;
    const rates = {
      read: () => Promise.resolve(undefined),
      record: (_digest: string, rate: number) => Promise.resolve(void this.rates.push(rate)),
    };
    return new ChunkRunner({
      ...{ store: { leases, rates }, blobs, clock, inference, owner: 'w', concurrency: 2, rowsAtOnce: 60 },
      onDefect: (fault) => this.defects.push(fault),
      ...more,
    });
  }

  async lines(key = this.leases.chunk.resultKey!): Promise<readonly Line[]> {
    const jsonl = await text((await this.blobs.get(key))!);
    return jsonl
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  }

  async files(): Promise<readonly string[]> {
    const keys: string[] = [];
    for await (const { key } of this.blobs.list(`jobs/${JOB_ID}/out/`)) keys.push(key);
    return keys;
  }
}

interface Line {
  readonly index: number;
  readonly id: string;
  readonly output?: number;
  readonly error?: { readonly code: string; readonly param: string | null };
}

describe(ChunkRunner.name, () => {
  it('writes a line for each row, in order, and commits what it counted', async () => {
    const bench = await Bench.of(100, [7]);
    await bench.runner(new FatedRows([])).run(JOB_ID, 3, noSignal());
    const lines = await bench.lines();
    expect(lines.map(({ index }) => index)).toEqual(Array.from({ length: 100 }, (_, at) => FIRST_ROW + at));
    expect(lines[5]).toEqual({ index: 1005, id: 'id-5', output: 5 });
    expect(lines[7]).toEqual({ index: 1007, id: 'id-7', error: { code: 'invalid_json' } });
    expect(bench.leases.committed).toMatchObject({ okRows: 99, errRows: 1, epoch: 1 });
  });

  it('gives each row one line, whatever throws, dies, passes or stops on the way', async () => {
    const fate = fc.oneof(
      { weight: 12, arbitrary: fc.constant<Fate>('ok') },
      { weight: 4, arbitrary: fc.constantFrom<Fate>('refused', 'defect', 'kills', 'kills, named', 'hangs') },
    );
    const plan = fc.record({
      fates: fc.array(fate, { minLength: 1, maxLength: 70 }),
      killers: fc.array(fc.nat(69), { maxLength: 2 }),
      unreadable: fc.array(fc.nat(69), { maxLength: 3 }),
      transient: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 3 }),
      aborts: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 3 }),
      rowsAtOnce: fc.integer({ min: 1, max: 120 }),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ fates: drawn, killers, unreadable, transient, aborts, rowsAtOnce }) => {
        const fates = drawn.map((each, at): Fate => (killers.includes(at) ? 'kills the worker' : each));
        const bench = await Bench.of(fates.length, unreadable);
        let [calls, abort] = [0, new AbortController()];
        const before = (): void => {
          calls += 1;
          if (aborts.includes(calls)) abort.abort(new Error('Stopped by the test.'));
          if (transient.includes(calls)) throw new QuaysideError('features_unavailable', 'Later.');
        };
        for (let tries = 0; bench.leases.chunk.status !== 'done'; tries += 1) {
          expect(tries).toBeLessThan(20);
          abort = new AbortController();
          const model = new FatedRows(fates, before);
          const run = bench
            .runner(model, { rowsAtOnce })
            .run(JOB_ID, 3, abort.signal)
            .catch(() => undefined);
          const end = await Promise.race([run, model.died.promise.then(() => 'died')]);
          if (end === 'died') bench.leases.expire();
        }
        const lines = await bench.lines();
        const expected = fates.map((each, at) => (unreadable.includes(at) ? 'invalid_json' : CODES[each]));
        expect(lines.map(({ index }) => index)).toEqual(fates.map((_, at) => FIRST_ROW + at));
        expect(lines.map(({ error }) => error?.code)).toEqual(expected);
        expect(lines.every(({ output, error }, at) => error !== undefined || output === at)).toBe(true);
        const { okRows, errRows, sampleErrors } = bench.leases.committed!;
        expect([okRows, errRows]).toEqual([
          expected.filter((code) => !code).length,
          expected.filter((code) => code).length,
        ]);
        expect(sampleErrors.map(({ index }) => index)).toEqual(
          fates.flatMap((_, at) => (expected[at] ? [FIRST_ROW + at] : [])).slice(0, 20),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('names the fields of a refused row as the row has them, and logs a defect once without telling the client', async () => {
    const bench = await Bench.of(9);
    await bench.runner(new FatedRows(['ok', 'refused', 'ok', 'defect'])).run(JOB_ID, 3, noSignal());
    const lines = await bench.lines();
    expect(lines[1]?.error).toMatchObject({ code: 'invalid_input', param: 'v', details: [{ field: 'v' }] });
    expect(JSON.stringify(lines[3])).not.toContain('12');
    expect(bench.defects).toEqual([expect.any(TypeError)]);
  });

  it('asks about no row again that its executor died of, where the failure names it', async () => {
    const bench = await Bench.of(16);
    const model = new FatedRows(['ok', 'kills, named']);
    await bench.runner(model).run(JOB_ID, 3, noSignal());
    expect(model.asked.filter((indexes) => indexes.includes(FIRST_ROW + 1))).toHaveLength(1);
  });

  it('runs only what failed when it is run again, and keeps the other lines and the old file', async () => {
    const bench = await Bench.of(40, [9]);
    await bench.runner(new FatedRows(['refused', 'ok', 'kills'])).run(JOB_ID, 3, noSignal());
    const [first] = await bench.files();
    const before = await bench.lines();
    bench.leases.retry();
    const model = new FatedRows(['ok', 'ok', 'refused']);
    await bench.runner(model).run(JOB_ID, 3, noSignal());
    expect(new Set(model.asked.flat())).toEqual(new Set([FIRST_ROW, FIRST_ROW + 2]));
    const after = await bench.lines();
    expect(after.map(({ index }) => index)).toEqual(before.map(({ index }) => index));
    expect(after[0]).toEqual({ index: FIRST_ROW, id: 'id-0', output: 0 });
    expect(after.filter((_, at) => ![0, 2].includes(at))).toEqual(before.filter((_, at) => ![0, 2].includes(at)));
    expect(bench.leases.committed).toMatchObject({ okRows: 38, errRows: 2, epoch: 2 });
    expect(await bench.lines(first)).toEqual(before);
  });

  it('never runs a row again that killed its worker', async () => {
    const bench = await Bench.of(5);
    bench.leases.chunk = { ...bench.leases.chunk, badRows: [FIRST_ROW + 2] };
    const model = new FatedRows([]);
    await bench.runner(model).run(JOB_ID, 3, noSignal());
    expect(model.asked.flat()).not.toContain(FIRST_ROW + 2);
    expect((await bench.lines())[2]?.error?.code).toBe('worker_crash');
  });

  it('runs one row at a time after two deaths, and says before which', async () => {
    const bench = await Bench.of(6, [3]);
    bench.leases.chunk = { ...bench.leases.chunk, crashes: 2 };
    const probed: (number | undefined)[] = [];
    const model = new FatedRows([], () => void probed.push(bench.leases.probed));
    await bench.runner(model).run(JOB_ID, 3, noSignal());
    const rows = [0, 1, 2, 4, 5].map((at) => FIRST_ROW + at);
    expect([model.asked, probed]).toEqual([rows.map((row) => [row]), rows]);
    expect(bench.leases.probed).toBeUndefined();
  });

  it('does nothing with a chunk that somebody else has', async () => {
    const bench = await Bench.of(3);
    await bench.leases.claim();
    await expect(bench.runner(new FatedRows([])).run(JOB_ID, 3, noSignal())).resolves.toBeUndefined();
    expect(await bench.files()).toEqual([]);
  });

  it('gives the chunk back, and tells the queue, where something may pass', async () => {
    const bench = await Bench.of(3);
    const model = new FatedRows([], () => {
      throw new QuaysideError('features_unavailable', 'Later.');
    });
    await expect(bench.runner(model).run(JOB_ID, 3, noSignal())).rejects.toMatchObject({
      code: 'features_unavailable',
    });
    expect(bench.leases.released).toEqual([{ reason: 'failed', error: 'features_unavailable: Later.' }]);
    bench.blobs.fail('storage_full');
    await expect(bench.runner(new FatedRows([])).run(JOB_ID, 3, noSignal())).rejects.toMatchObject({
      code: 'storage_full',
    });
    expect(await bench.files()).toEqual([]);
  });

  it('tells the queue nothing of a broken file but that it is broken', async () => {
    const bench = await Bench.of(1);
    await bench.blobs.put(inputKey(JOB_ID, 3), inPieces('{"i":1000,"id":"a","row":{"secret":1}\n'));
    const run = bench.runner(new FatedRows([])).run(JOB_ID, 3, noSignal());
    await expect(run).rejects.toMatchObject({ code: 'internal', message: expect.not.stringContaining('secret') });
    expect(JSON.stringify(bench.leases.released)).not.toContain('secret');
  });

  it('waits where a model that has answered says when to come back', async () => {
    const bench = await Bench.of(40);
    const model = new FatedRows([], (call) => {
      if (call === 3) throw new QuaysideError('overloaded', 'Later.', { retryAfterMs: 1000 });
    });
    const run = bench.runner(model, { rowsAtOnce: 12 }).run(JOB_ID, 3, noSignal());
    await bench.clock.advance(1000);
    await run;
    expect(bench.leases.committed).toMatchObject({ okRows: 40, errRows: 0 });
  });

  it('fails the job whose model is gone', async () => {
    const bench = await Bench.of(3);
    const model = new FatedRows([], () => {
      throw new ModelGone();
    });
    await expect(bench.runner(model).run(JOB_ID, 3, noSignal())).resolves.toBeUndefined();
    expect(bench.leases).toMatchObject({ failure: 'model_gone', chunk: { status: 'pending' } });
  });

  it('stops when it is told to, gives the chunk back, and lets it be queued again', async () => {
    const bench = await Bench.of(100);
    const stop = new AbortController();
    const model = new FatedRows([], (call) => (call === 4 ? stop.abort(new Error('Enough.')) : undefined));
    const runner = bench.runner(model, { rowsAtOnce: 12 });
    await expect(runner.run(JOB_ID, 3, stop.signal)).resolves.toEqual(bench.leases.dispatch);
    expect(bench.leases.released).toEqual([{ reason: 'stopped' }]);
    expect(await bench.files()).toEqual([]);
    expect(runner.held).toBe(0);
  });

  it('stops what a heartbeat says is wanted no more', async () => {
    const bench = await Bench.of(100);
    const begun = Promise.withResolvers<void>();
    const model = new FatedRows([], async (_call, { signal }) => {
      begun.resolve();
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    });
    const runner = bench.runner(model);
    const run = runner.run(JOB_ID, 3, noSignal());
    await begun.promise;
    await runner.heartbeat();
    expect(runner.held).toBe(1);
    bench.leases.isWanted = false;
    await runner.heartbeat();
    await expect(run).resolves.toEqual(bench.leases.dispatch);
  });

  it('deletes its file when another worker was first, and leaves the other one', async () => {
    const bench = await Bench.of(3);
    const model = new FatedRows([], () => void (bench.leases.chunk = { ...bench.leases.chunk, epoch: 9 }));
    await expect(bench.runner(model).run(JOB_ID, 3, noSignal())).resolves.toBeUndefined();
    expect(await bench.files()).toEqual([]);
  });

  it('commits once the database is back, and never deletes a file whose fate it does not know', async () => {
    const bench = await Bench.of(3);
    bench.leases.outages = 2;
    const run = bench.runner(new FatedRows([])).run(JOB_ID, 3, noSignal());
    await bench.clock.advance(2000);
    await run;
    expect(bench.leases.chunk.status).toBe('done');

    const other = await Bench.of(3);
    other.leases.outages = Infinity;
    const stop = new AbortController();
    const stopped = other.runner(new FatedRows([])).run(JOB_ID, 3, stop.signal);
    await other.clock.advance(3000);
    stop.abort(new Error('Enough.'));
    await stopped;
    expect(await other.files()).toHaveLength(1);
  });

  it('answers rows whose bytes are lost with an error each', async () => {
    const bench = await Bench.of(4);
    await bench.blobs.put(inputKey(JOB_ID, 3), inPieces('{"i":1000,"id":"a","row":{"v":0}}\n'));
    await bench.runner(new FatedRows([])).run(JOB_ID, 3, noSignal());
    expect((await bench.lines()).map(({ index, error }) => [index, error?.code])).toEqual([
      [1000, undefined],
      [1001, 'chunk_failed'],
      [1002, 'chunk_failed'],
      [1003, 'chunk_failed'],
    ]);
  });

  it('measures what the worker answers, from the first answer on', async () => {
    const bench = await Bench.of(64);
    const model = new FatedRows([], async () => {
      await bench.clock.advance(100);
    });
    await bench.runner(model, { rowsAtOnce: 48 }).run(JOB_ID, 3, noSignal());
    expect(bench.rates).toEqual([expect.any(Number)]);
    expect(bench.rates[0]).toBeGreaterThan(0);
  });
});
