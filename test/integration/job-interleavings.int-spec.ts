import type { ClaimedChunk, JobRecord } from '@app/batch-jobs';
import fc from 'fast-check';
import { hasEnded } from '@app/batch-jobs';
import { JobsBench, resultOf } from './jobs-bench';

const WORKERS = ['w1', 'w2'] as const;
const CHUNK_ROWS = [3, 1, 4];
const TOTAL = 8;
const RUNS = 40;

let bench: JobsBench;
beforeAll(async () => {
  bench = await JobsBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());

type Step =
  | { readonly kind: 'claim'; readonly worker: number; readonly idx: number }
  | { readonly kind: 'commit'; readonly worker: number; readonly errRows: number }
  | { readonly kind: 'fail' | 'stop' | 'beat' | 'probe'; readonly worker: number }
  | { readonly kind: 'takeover'; readonly worker: number; readonly idx: number }
  | { readonly kind: 'despair'; readonly idx: number }
  | { readonly kind: 'cancel' | 'expire' | 'retry' | 'tick' };

const worker = fc.nat(WORKERS.length - 1);
const idx = fc.nat(CHUNK_ROWS.length - 1);
const claim = fc.record({ kind: fc.constant('claim' as const), worker, idx });
const commit = fc.record({ kind: fc.constant('commit' as const), worker, errRows: fc.nat(5) });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: claim },
  { weight: 6, arbitrary: commit },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('fail', 'stop', 'beat', 'probe'), worker }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('takeover' as const), worker, idx }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('despair' as const), idx }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('retry', 'tick') }) },
  // Seldom: after these nothing happens until a retry.
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('cancel', 'expire') }) },
);

/** One job in the hands of two workers and a client. It knows which result files were promised to count. */
class Scene {
  readonly held: ClaimedChunk[][] = [[], []];
  readonly committed = new Set<string>();
  readonly lost = new Set<string>();
  private readonly newest = new Map<number, number>();
  private version = 0;

  constructor(readonly id: string) {}

  async play(step: Step): Promise<void> {
    switch (step.kind) {
      case 'claim':
        return this.claim(step.worker, step.idx);
      case 'commit':
        return this.commit(step.worker, step.errRows);
      case 'fail':
      case 'stop':
      case 'beat':
      case 'probe':
        return this.hold(step.worker, step.kind);
      case 'takeover':
        await bench.makeDue(this.id, step.idx);
        await bench.store.upkeep.expireLeases();
        return this.claim(step.worker, step.idx);
      case 'despair':
        return this.despair(step.idx);
      case 'expire':
        await bench.db.query('update job set deadline_at = now() where id = $1', [this.id]);
        return void (await bench.store.upkeep.endOverdue());
      case 'cancel':
        return void (await bench.store.cancel('acme', this.id));
      case 'retry':
        return void (await bench.store.retry('acme', this.id));
      case 'tick':
        return void (await bench.store.upkeep.endCancelled());
    }
  }

  async claim(worker: number, at: number): Promise<void> {
    const claimed = await bench.store.leases.claim(this.id, at, WORKERS[worker]);
    if (!claimed) return;
    this.held[worker].push(claimed);
    this.newest.set(at, Math.max(claimed.chunk.epoch, this.newest.get(at) ?? 0));
  }

  /** The oldest chunk that the worker believes to hold. */
  async commit(worker: number, errRows: number): Promise<void> {
    const claimed = this.held[worker].shift();
    if (!claimed) return;
    const { rows, okRows, epoch } = claimed.chunk;
    const newest = this.newest.get(claimed.chunk.idx) ?? 0;
    const result = resultOf(claimed, Math.min(errRows, rows - okRows));
    const { outcome } = await bench.store.leases.commit(result);
    this[outcome].add(result.resultKey);
    // Who was replaced before does not come through, even where nobody has committed since.
    if (outcome === 'committed') expect(epoch).toBeGreaterThanOrEqual(newest);
  }

  /** What must be true at any moment. */
  async check(): Promise<JobRecord> {
    const job = await bench.job(this.id);
    const sum = (what: string, where: string): Promise<number> =>
      bench.value(`select coalesce(sum(${what}), 0)::int from job_chunk where job_id = $1 and ${where}`, this.id);
    expect(job.succeeded + job.failed + (job.remaining ?? NaN)).toBe(TOTAL);
    expect(job.succeeded).toBe(await sum('ok_rows', 'true'));
    expect(job.failed).toBe(await sum('rows - ok_rows', "status in ('done', 'dead')"));
    expect(job.remaining).toBe(await sum('rows - ok_rows', "status in ('pending', 'running')"));
    expect(job.chunksDone).toBe(await sum('1', "status in ('done', 'dead')"));
    expect(await sum('1', "due_at is not null and status = 'pending'")).toBeLessThanOrEqual(CHUNK_ROWS.length);
    expect(job.version).toBeGreaterThanOrEqual(this.version);
    this.version = job.version;
    await this.checkFiles();
    if (hasEnded(job.status)) expect(await sum('1', "due_at is not null or status = 'running'")).toBe(0);
    return job;
  }

  /** Lets everything that is left run, as workers and the reconciler would. */
  async finish(): Promise<JobRecord> {
    const { upkeep } = bench.store;
    await bench.db.query(
      "update job_chunk set due_at = now() - interval '1 second' where job_id = $1 and status = 'running'",
      [this.id],
    );
    await upkeep.expireLeases();
    await upkeep.giveUpHopeless();
    await upkeep.endCancelled();
    for (let at = 0; at < CHUNK_ROWS.length; at += 1) {
      this.held[0] = [];
      await this.claim(0, at);
      await this.commit(0, 0);
    }
    return this.check();
  }

  /** Every file that a row names was promised to count; none that was called lost is named. */
  private async checkFiles(): Promise<void> {
    const sql = 'select result_key as key from job_chunk where job_id = $1 and result_key is not null';
    const { rows } = await bench.db.query<{ key: string }>(sql, [this.id]);
    for (const { key } of rows) {
      expect(this.committed).toContain(key);
      expect(this.lost).not.toContain(key);
    }
  }

  private async hold(worker: number, kind: 'fail' | 'stop' | 'beat' | 'probe'): Promise<void> {
    const { leases } = bench.store;
    const chunks = this.held[worker].map(({ chunk }) => chunk);
    if (kind === 'beat') return void (await leases.heartbeat(chunks));
    const [chunk] = chunks;
    if (!chunk) return;
    if (kind === 'probe') return void (await leases.probe(chunk, chunk.firstRow));
    this.held[worker].shift();
    await leases.release(chunk, kind === 'fail' ? { reason: 'failed', error: 'no' } : { reason: 'stopped' });
  }

  /** The worker of a chunk dies for the eighth time. */
  private async despair(at: number): Promise<void> {
    const sql = "update job_chunk set crashes = 7 where job_id = $1 and idx = $2 and status = 'running'";
    await bench.db.query(sql, [this.id, at]);
    await bench.makeDue(this.id, at);
    await bench.store.upkeep.expireLeases();
    await bench.store.upkeep.giveUpHopeless();
  }
}

describe('two workers, a client and a reconciler', () => {
  it('lose no row and double none, in whatever order they act', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30, size: 'max' }), async (steps) => {
        const scene = new Scene((await bench.queued(CHUNK_ROWS)).id);
        for (const each of steps) {
          await scene.play(each);
          await scene.check();
        }
        const job = await scene.finish();
        expect(hasEnded(job.status)).toBe(true);
        if (job.status === 'succeeded') expect(job.remaining).toBe(0);
      }),
      { numRuns: RUNS },
    );
  });

  it('do not when they act at the same time either, and never wait for each other for ever', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 2, maxLength: 6, size: 'max' }), { maxLength: 10, size: 'max' }),
        async (rounds) => {
          const scene = new Scene((await bench.queued(CHUNK_ROWS)).id);
          for (const round of rounds) {
            await Promise.all(round.map((each) => scene.play(each)));
            await scene.check();
          }
          expect(hasEnded((await scene.finish()).status)).toBe(true);
        },
      ),
      { numRuns: RUNS },
    );
  });
});
