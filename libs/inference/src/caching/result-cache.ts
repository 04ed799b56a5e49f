import type { ScheduledCall } from '../scheduling/model-scheduler';
import type { CacheStatistics } from './cache-counters';
import { CachedCall, type CachedResult } from './cached-call';
import { ResultKeys } from './result-keys';
import { ResultRuns, type ResultRunsParts } from './result-runs';

/** What the cache is made of. */
export interface ResultCacheParts extends ResultRunsParts {
  /** Versions of the software that results depend on. */
  readonly revision: string;
}

/** A call that may be answered from what is kept. Bulk work reads, and keeps nothing. */
export interface CacheableCall extends ScheduledCall {
  /** False: neither read nor kept, whatever the model's manifest says. */
  readonly cache: boolean;
}

/** Until callers have tenants, they are all one. */
const SCOPE = 'everyone';

/**
 * Answers calls from the results of equal ones, and lets equal calls that come together run once. What counts as equal,
 * and where rows count singly, is up to `ResultKeys`. Only whole answers are kept: no error, no part of an output.
 */
export class ResultCache {
  private readonly keys: ResultKeys;
  private readonly runs: ResultRuns;

  constructor(private readonly parts: ResultCacheParts) {
    this.keys = new ResultKeys(parts.revision);
    this.runs = new ResultRuns(parts);
  }

  /**
   * What is kept is given at once, without a promise. Else waits at most until the call's deadline. Throws what `ModelScheduler.submit` throws. A call that joined a run fails
   * with it, unless that failed for lack of room or time of the call that led it: then the next one leads.
   */
  answer(call: CacheableCall): CachedResult | Promise<CachedResult> {
    const { cache, version, input } = call;
    if (!cache || this.parts.maxBytes === 0 || version.manifest.cache === false) return this.past(call);
    const keys = this.keys.of({ scope: SCOPE, version, input });
    const output = keys.length === 1 ? this.runs.recall(version, keys[0]) : undefined;
    if (output) return { output, queueMs: 0, computeMs: 0, batchSize: 0, cache: 'hit' };
    return new CachedCall(call, keys, this.runs).answer();
  }

  private async past(call: CacheableCall): Promise<CachedResult> {
    return { ...(await this.runs.past(call)), cache: 'off' };
  }

  /** What the cache did for a model, all its versions together, since the start. */
  statistics(model: string): Readonly<CacheStatistics> {
    return this.parts.counters.read(model);
  }

  /** Whether what processes share results through answers; undefined where they share none. No I/O. */
  sharesResults(): boolean | undefined {
    return this.parts.maxBytes === 0 ? undefined : this.parts.shared?.isAnswering;
  }

  /** Lets go of all results, and of what they are shared through; safe to call twice. */
  close(): Promise<void> {
    return this.runs.close();
  }
}
