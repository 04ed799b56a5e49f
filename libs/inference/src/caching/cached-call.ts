import type { ScheduledCall, ScheduledResult } from '../scheduling/model-scheduler';
import type { TaskOutput } from '../tasks/task';
import type { ResultRuns } from './result-runs';
import { joinOutputs } from './row-outputs';
import type { RunOutcome, SharedRun } from './shared-run';
import { Waiter } from './waiter';

/** Where an answer came from: kept, run for this call, run for an equal one, or run without asking the cache. */
export type CacheUse = 'hit' | 'miss' | 'joined' | 'off';

/** What a call gave, and what the cache did for it. Nothing of a hit was queued or computed. */
export interface CachedResult extends ScheduledResult {
  readonly cache: CacheUse;
}

/** What a call cost that no executor ran for. */
const NOTHING_RAN = { computeMs: 0, batchSize: 0 } as const;

/**
 * One call on its way to its results: what is kept is taken, what others run is joined, what is left is run, until
 * every row has come. Throws what a run throws that it leads, or whose rows are all its own.
 */
export class CachedCall {
  private readonly found = new Map<string, TaskOutput>();
  private led: SharedRun | undefined;
  private whole: TaskOutput | undefined;
  private queueMs = 0;
  private computeMs = 0;
  private batchSize = 0;
  private hasRun = false;
  private hasJoined = false;
  private fitsRows = true;

  constructor(
    private readonly call: ScheduledCall,
    private readonly keys: readonly string[],
    private readonly runs: ResultRuns,
  ) {}

  /** Waits at most until the call's deadline. */
  async answer(): Promise<CachedResult> {
    const startedAtMs = this.runs.clock.monotonicMs();
    const output = await this.collect();
    if (!output) return { ...(await this.runs.past(this.call)), cache: 'miss' };
    const { queueMs, computeMs, batchSize } = this;
    if (this.hasRun) return { output, queueMs, computeMs, batchSize, cache: 'miss' };
    if (!this.hasJoined) return { output, ...NOTHING_RAN, queueMs: 0, cache: 'hit' };
    return { output, ...NOTHING_RAN, queueMs: this.runs.clock.monotonicMs() - startedAtMs, cache: 'joined' };
  }

  /** All rows in order; undefined where they do not fit together unless they run together. */
  private async collect(): Promise<TaskOutput | undefined> {
    using waiter = new Waiter(this.call.context, this.call.version, this.runs.clock);
    for (let places = this.missing(); places.size > 0; places = this.missing()) {
      await this.obtain(places, waiter);
      if (this.whole && this.led?.keys.length === this.keys.length) return this.whole;
      if (!this.fitsRows) return undefined;
    }
    return joinOutputs(this.keys.map((key) => this.found.get(key)!));
  }

  /** Where the first row of each key stands that has no result yet, after a look at what is kept. */
  private missing(): Map<string, number> {
    const places = new Map<string, number>();
    this.keys.forEach((key, place) => {
      if (this.found.has(key) || places.has(key)) return;
      const kept = this.runs.recall(this.call.version, key);
      if (kept) this.found.set(key, kept);
      else places.set(key, place);
    });
    return places;
  }

  /** Joins and leads whatever the missing rows need, and waits for all of it. */
  private async obtain(places: Map<string, number>, waiter: Waiter): Promise<void> {
    const wanted = this.underWay(places);
    for (const [run, keys] of wanted) {
      run.join(waiter, keys);
      this.runs.countersOf(this.call.version).joins += keys.length;
      for (const key of keys) places.delete(key);
    }
    if (places.size > 0) {
      this.led = this.runs.lead(this.call, places, waiter);
      wanted.set(this.led, this.led.keys);
    }
    try {
      const all = [...wanted].map(async ([run, keys]) => this.take(run, keys, await run.outcome));
      await Promise.race([Promise.all(all), waiter.ended]);
    } finally {
      for (const run of wanted.keys()) run.leave(waiter);
    }
  }

  private underWay(places: ReadonlyMap<string, number>): Map<SharedRun, readonly string[]> {
    const wanted = new Map<SharedRun, readonly string[]>();
    for (const key of places.keys()) {
      const run = this.runs.of(key);
      if (run) wanted.set(run, [...(wanted.get(run) ?? []), key]);
    }
    return wanted;
  }

  /** Takes what a run gave. What it did not give, for a reason that is not this call's, is looked for again. */
  private take(run: SharedRun, keys: readonly string[], outcome: RunOutcome): void {
    const isMine = run === this.led;
    if (!outcome.result) {
      // Who asked for some rows of a run cannot know whether it was one of them that failed.
      const isShared = !outcome.isLeadersOwn && keys.length === run.keys.length;
      if (isMine || isShared) throw outcome.error;
      return;
    }
    const { outputs, ran, whole, queueMs, computeMs, batchSize } = outcome.result;
    if (outputs) for (const key of keys) this.found.set(key, outputs.get(key)!);
    else this.fitsRows = false;
    if (!isMine) {
      this.hasJoined ||= keys.some((key) => ran.has(key));
      return;
    }
    this.whole = whole;
    this.hasRun ||= ran.size > 0;
    this.queueMs += queueMs;
    this.computeMs += computeMs;
    this.batchSize = Math.max(this.batchSize, batchSize);
  }
}
