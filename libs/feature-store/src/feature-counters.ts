import type { FeatureSource, FeatureStatus } from './feature-store';

/** What became of the columns of one version of a model, in this process, since it first joined rows for it. */
export interface FeatureStatistics {
  /** Values that the model was given, by where they came from. */
  readonly sources: Readonly<Record<FeatureSource, number>>;
  /** Stored features that were looked up, by what was found; one that refused the request counts too. */
  readonly statuses: Readonly<Record<FeatureStatus, number>>;
  /** Those whose read did not happen in time, and so have no status. */
  readonly timeouts: number;
  /** Calls that were joined with defaults in the place of what could not be read in time. */
  readonly degradedCalls: number;
}

/** Counts of one version; only ever grow. */
export class FeatureCounters implements FeatureStatistics {
  readonly sources = { request: 0, store: 0, default: 0, transform: 0, const: 0 };
  readonly statuses = { PRESENT: 0, OUTSIDE_MAX_AGE: 0, NULL_VALUE: 0, NOT_FOUND: 0 };
  timeouts = 0;
  degradedCalls = 0;

  /** A stored feature was looked up; null: its read did not happen. */
  lookedUp(status: FeatureStatus | null): void {
    if (status === null) this.timeouts++;
    else this.statuses[status]++;
  }
}
