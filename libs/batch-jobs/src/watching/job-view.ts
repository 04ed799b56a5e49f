import type { JobRecord } from '../records/job-record';

/** A job as a client sees it, with what can be said of its speed. */
export interface JobView {
  readonly job: JobRecord;
  /** Rows answered per second in this attempt; undefined before the first of them, and while the job does not run. */
  readonly rate?: number;
  /** Seconds to the end at that rate, or at that of the model's other jobs; undefined where neither is known. */
  readonly etaSeconds?: number;
}
