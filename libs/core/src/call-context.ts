/** Who asks, until when, and whether they are still there. Made once at the door and passed along the whole path. */
export interface CallContext {
  readonly requestId: string;
  /** W3C trace context of this call: `00-<trace id>-<span id>-<flags>`. */
  readonly traceparent: string;
  /** When the caller stops waiting, on the monotonic clock, in milliseconds. */
  readonly deadlineAtMs: number;
  /** Aborted when the caller has left. */
  readonly signal: AbortSignal;
}
