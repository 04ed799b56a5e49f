/**
 * The error catalogue: every code that Quayside can answer, with the sentence `docs/errors.md` explains it by.
 * Codes are final once released. What a code means over HTTP stands in `apps/api` alone.
 */
export const ERROR_CATALOGUE = {
  malformed_http: 'The request is not valid HTTP/1.1.',
  headers_too_large: 'The request headers are larger than the server accepts.',
  expectation_failed: 'The Expect header asks for something other than 100-continue.',
  request_timeout: 'The request did not arrive in time.',
  route_not_found: 'No route has this path.',
  method_not_allowed: 'The route exists, but not with this method; the Allow header lists those it has.',
  body_too_large: 'The body is larger than this route accepts, counted after inflating.',
  unsupported_media_type: 'The Content-Type is not one that this route reads.',
  unsupported_encoding: 'The Content-Encoding is not one that this route reads.',
  invalid_encoding: 'The body could not be inflated by its Content-Encoding.',
  invalid_utf8: 'The body is not valid UTF-8.',
  invalid_json: 'The body is not valid JSON.',
  json_too_deep: 'The JSON nests deeper than the server reads.',
  json_too_many_keys: 'One JSON object has more keys than the server reads.',
  forbidden_key: 'The JSON has a key that could alter a prototype.',
  invalid_request: 'A field is missing, unknown, of the wrong type or out of its limits.',
  invalid_input: 'A value or a tensor does not fit what the model takes.',
  invalid_framing: 'Binary tensor data does not have the length or the layout that was announced.',
  task_mismatch: 'The model has another task than this route serves.',
  unsupported_option: 'The model does not support an option of the request.',
  context_length_exceeded: 'The text is longer than the model reads, and truncation was refused.',
  model_not_found: 'No model has this name.',
  model_version_not_found: 'The model has no such version or label.',
  model_load_failed: 'The version could not be loaded: its files are corrupt, unsafe or unfit.',
  model_not_ready: 'The version is still loading and did not become ready within the deadline.',
  model_unavailable: 'The version failed to load or crashes; it is tried again later.',
  model_capacity: 'No room to load the model now: every resident model is pinned or busy.',
  database_unavailable: 'The database does not answer; what needs none is served as always.',
  storage_full: 'No room is left where the bytes of jobs are stored.',
  storage_unavailable: 'The bytes of jobs cannot be read or written now; what needs none is served as always.',
  chunk_failed: 'A part of a job was given up; its rows can be run again.',
  worker_crash: 'A worker of jobs died of this row, or the process that ran the model for it did.',
  job_not_found: 'No job has this id.',
  job_not_ended: 'The job still runs, and this needs one that has ended.',
  job_nothing_failed: 'No row of the job failed, so there is none to run again.',
  job_results_gone: 'The results of the job are past their time, and were deleted.',
  idempotency_key_in_use: 'The input of the first job with this Idempotency-Key is still arriving.',
  idempotency_key_reused: 'A job with this Idempotency-Key has another body or other options.',
  too_many_jobs: 'So many jobs, or rows of jobs, wait already that no more are taken.',
  too_many_uploads: 'This process reads as many uploads as it can at once.',
  feature_view_not_found: 'No feature view has this name.',
  feature_view_version_not_found: 'The feature view has no such version.',
  feature_missing: 'A stored feature is not there for the entity, and the model has no default for it.',
  feature_stale: 'A stored feature is older than its view allows.',
  feature_cast: 'A stored feature cannot become what the model takes without a loss.',
  features_unavailable: 'The stored features could not be read in time.',
  prediction_not_found: 'No prediction with this id is in the log.',
  deadline_exceeded: 'The deadline passed before the answer was ready.',
  overloaded: 'Too much work is waiting already.',
  shutting_down: 'The server is stopping.',
  not_ready: 'The server is not ready for traffic.',
  executor_crashed: 'The process that ran the model died, and so did the one that retried.',
  input_quarantined: 'The input killed two processes lately; it is not tried again for a minute.',
  inference_failed: 'The model failed on this input.',
  non_finite_output: 'The model answered NaN or an infinity, which this route cannot express.',
  client_closed: 'The client left before the answer (in logs only).',
  internal: 'A defect in the server. The request id finds its cause in the log.',
} as const satisfies Record<string, string>;

/** A code of the catalogue; callers match on it, never on text. */
export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** One offending field of a request. `field` is a path such as `inputs[0].shape`, `code` is lower_snake. */
export interface ErrorDetail {
  readonly field: string;
  readonly code: string;
  readonly message: string;
}

/** What may accompany an error beside its code and message. */
export interface QuaysideErrorOptions {
  readonly details?: readonly ErrorDetail[];
  /** How long a client should wait before it tries again, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Where the time went when a deadline passed. */
  readonly stage?: 'queued' | 'executing';
  /** The underlying fault; logged at the edge, never shown. */
  readonly cause?: unknown;
}

/** Any failure that a caller can act on. The message says what, which, and what to do; it never holds input values. */
export class QuaysideError extends Error {
  readonly details: readonly ErrorDetail[];
  readonly retryAfterMs: number | undefined;
  readonly stage: 'queued' | 'executing' | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: QuaysideErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'QuaysideError';
    this.details = options.details ?? [];
    this.retryAfterMs = options.retryAfterMs;
    this.stage = options.stage;
  }
}

/** True for errors of the catalogue; anything else that is thrown is a defect. */
export function isQuaysideError(error: unknown): error is QuaysideError {
  return error instanceof Error && error.name === 'QuaysideError' && 'code' in error;
}
