import type { FeatureStatistics, FeatureStatus } from './feature-store';

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
