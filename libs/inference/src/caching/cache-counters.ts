/** What the cache did for one model, since the start. Rows are counted, or calls where a model's rows cannot be run apart. */
export interface CacheStatistics {
  /** Answered from memory or from Redis. */
  hits: number;
  /** Run, because no equal one was kept or under way. */
  misses: number;
  /** Waited for what an equal call had begun. */
  joins: number;
  /** Kept after a run. */
  stores: number;
  /** Let go for others. */
  evictions: number;
  /** Let go at the end of their time. */
  expiries: number;
  /** In the memory of this process now. */
  entries: number;
  /** In the memory of this process now, overhead counted. */
  bytes: number;
  /** Those of the hits that came from Redis. */
  sharedHits: number;
  /** Reads and writes that Redis refused or could not take. */
  sharedErrors: number;
  /** Reads that Redis did not answer in time. */
  sharedTimeouts: number;
}

/** The counters of every model that the cache has worked for. */
export class CacheCounters {
  private readonly models = new Map<string, CacheStatistics>();

  /** The live counters of a model. */
  of(model: string): CacheStatistics {
    let counters = this.models.get(model);
    if (!counters) this.models.set(model, (counters = zero()));
    return counters;
  }

  /** The counters as they are now; zeros for a model that was never asked. */
  read(model: string): Readonly<CacheStatistics> {
    return { ...(this.models.get(model) ?? zero()) };
  }
}

function zero(): CacheStatistics {
  return {
    hits: 0,
    misses: 0,
    joins: 0,
    stores: 0,
    evictions: 0,
    expiries: 0,
    entries: 0,
    bytes: 0,
    sharedHits: 0,
    sharedErrors: 0,
    sharedTimeouts: 0,
  };
}
