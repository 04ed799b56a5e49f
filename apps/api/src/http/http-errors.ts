import type { ErrorCode } from '@app/core';

/** The class of an error, for clients that handle classes rather than codes. */
export type ErrorType =
  'invalid_request_error' | 'not_found_error' | 'timeout_error' | 'overloaded_error' | 'model_error' | 'internal_error';

/** What a code means over HTTP, the same at every door. */
export interface HttpError {
  readonly status: number;
  readonly type: ErrorType;
  /** Whether the same request may succeed later. False where we have retried already, or where it never will. */
  readonly retryable: boolean;
}

const invalid = (status: number): HttpError => ({ status, type: 'invalid_request_error', retryable: false });
const notFound: HttpError = { status: 404, type: 'not_found_error', retryable: false };
const overloaded: HttpError = { status: 503, type: 'overloaded_error', retryable: true };
const modelError: HttpError = { status: 500, type: 'model_error', retryable: false };

/** The one table from codes to HTTP. A code that is missing here does not compile. */
export const HTTP_ERRORS = {
  malformed_http: invalid(400),
  headers_too_large: invalid(431),
  expectation_failed: invalid(417),
  request_timeout: { status: 408, type: 'timeout_error', retryable: true },
  route_not_found: notFound,
  method_not_allowed: invalid(405),
  body_too_large: invalid(413),
  unsupported_media_type: invalid(415),
  unsupported_encoding: invalid(415),
  invalid_encoding: invalid(400),
  invalid_utf8: invalid(400),
  invalid_json: invalid(400),
  json_too_deep: invalid(400),
  json_too_many_keys: invalid(400),
  forbidden_key: invalid(400),
  invalid_request: invalid(400),
  invalid_input: invalid(400),
  invalid_framing: invalid(400),
  task_mismatch: invalid(400),
  unsupported_option: invalid(400),
  context_length_exceeded: invalid(400),
  model_not_found: notFound,
  model_version_not_found: notFound,
  model_load_failed: invalid(422),
  model_not_ready: overloaded,
  model_unavailable: overloaded,
  model_capacity: overloaded,
  database_unavailable: overloaded,
  storage_full: { ...overloaded, status: 507 },
  storage_unavailable: overloaded,
  chunk_failed: modelError,
  worker_crash: modelError,
  job_not_found: notFound,
  job_not_ended: invalid(409),
  job_nothing_failed: invalid(409),
  job_results_gone: { ...notFound, status: 410 },
  idempotency_key_in_use: { ...invalid(409), retryable: true },
  idempotency_key_reused: invalid(422),
  too_many_jobs: { ...overloaded, status: 429 },
  too_many_uploads: overloaded,
  feature_view_not_found: notFound,
  feature_view_version_not_found: notFound,
  feature_missing: invalid(422),
  feature_stale: invalid(422),
  feature_cast: invalid(422),
  features_unavailable: overloaded,
  prediction_not_found: notFound,
  deadline_exceeded: { status: 504, type: 'timeout_error', retryable: false },
  overloaded,
  shutting_down: overloaded,
  not_ready: overloaded,
  executor_crashed: { ...overloaded, retryable: false },
  input_quarantined: { ...overloaded, retryable: false },
  inference_failed: modelError,
  non_finite_output: modelError,
  client_closed: { status: 499, type: 'internal_error', retryable: false },
  internal: { status: 500, type: 'internal_error', retryable: false },
} as const satisfies Record<ErrorCode, HttpError>;
