import { ERROR_CATALOGUE, type ErrorCode, type ErrorDetail, QuaysideError } from '@app/core';
import type { ErrorResponse } from '../http/error.dto';
import { HTTP_ERRORS } from '../http/http-errors';
import { renderError } from '../http/render-error';

/** The response headers that the document describes. */
export const HEADERS = {
  'X-Request-ID': header(
    'The request, as in the log: the caller’s id if it has 1 to 128 of `A-Za-z0-9._:-`, else a new UUIDv7.',
  ),
  'X-Trace-ID': header('The trace: the one of the caller’s `traceparent` if that is valid, else a new one.'),
  'X-Prediction-ID': header('The prediction, a UUIDv7.'),
  'X-Features-Degraded': header('`true`: defaults stand in for stored features that could not be read in time.'),
  'X-Cache': header(
    '`hit`: an equal request was answered before; `joined`: one was under way; `miss`: this one was run, and kept; `off`: it was run without looking for equal ones.',
  ),
  'Server-Timing': header(
    '`queue`: waiting for an executor; `compute`: inside it; `total`: from the last byte of the body. In milliseconds.',
  ),
  'x-should-retry': header('`true` or `false`: whether the same request may succeed later.'),
  'Retry-After': header('When to try again, or to look again, in seconds. Only when that may help.'),
  'retry-after-ms': header('When to try again, in milliseconds. Only when trying again may help.'),
  Location: header('The path of the job.'),
  ETag: header('The version of the job, between quotation marks. To be sent as `If-None-Match`.'),
  'Preference-Applied': header('`wait`: the job ended while it was waited for.'),
  'X-Job-Status': header('The state of the job when the results were looked up.'),
  'X-Next-Cursor': header('To be sent as `after` for the lines that come next.'),
  'X-Results-Complete': header('`true`: the job has ended, and nothing comes after these lines.'),
  'Accept-Encoding': header('What a body may be compressed with. With `unsupported_encoding` only.'),
} as const;

/** Name of a described header. */
export type HeaderName = keyof typeof HEADERS;

/** The request headers that the document describes: the first three for every operation, the fourth where there is a body. */
export const PARAMETERS = {
  'X-Request-ID': parameter('An id for this request, 1 to 128 of `A-Za-z0-9._:-`. Others are replaced.', {
    type: 'string',
  }),
  traceparent: parameter('W3C trace context to continue.', { type: 'string' }),
  'X-Request-Timeout-Ms': parameter('How long the caller waits, in milliseconds; cut to 120,000 by default.', {
    type: 'integer',
    minimum: 1,
  }),
  'Content-Encoding': parameter('What the body is compressed with.', {
    type: 'string',
    enum: ['gzip', 'deflate', 'identity'],
  }),
  'Content-Encoding-Of-Rows': {
    ...parameter('What the body is compressed with: rows with gzip or zstd, one JSON object with gzip or deflate.', {
      type: 'string',
      enum: ['gzip', 'deflate', 'zstd', 'identity'],
    }),
    name: 'Content-Encoding',
  },
  'Idempotency-Key': parameter(
    'A text of 1 to 255 visible characters. A repeat with the same key, body and options gives the job of the first time.',
    { type: 'string', minLength: 1, maxLength: 255 },
  ),
  Prefer: parameter(
    '`wait=10`: the answer may take that many seconds, at most 60, and shows the ended job if it ends within them.',
    { type: 'string' },
  ),
  'If-None-Match': parameter('An `ETag`: while the job still is as that says, the answer is 304.', { type: 'string' }),
} as const;

/** Name of a described request header. */
export type ParameterName = keyof typeof PARAMETERS;

/** Headers of every answer. */
export const ANY_HEADERS = ['X-Request-ID', 'X-Trace-ID'] as const satisfies readonly HeaderName[];

/** What an answered prediction adds. */
export const INFERENCE_HEADERS = [
  'X-Prediction-ID',
  'X-Features-Degraded',
  'X-Cache',
  'Server-Timing',
] as const satisfies readonly HeaderName[];

/** The headers of an error of one of these codes. */
export function errorHeaders(codes: readonly ErrorCode[]): readonly HeaderName[] {
  const isRetryable = codes.some((code) => HTTP_ERRORS[code].retryable);
  return [
    ...ANY_HEADERS,
    'x-should-retry',
    ...(isRetryable ? (['Retry-After', 'retry-after-ms'] as const) : []),
    ...(codes.includes('unsupported_encoding') ? (['Accept-Encoding'] as const) : []),
  ];
}

const DETAIL_EXAMPLES: Partial<Record<ErrorCode, readonly ErrorDetail[]>> = {
  invalid_request: [{ field: 'topk', code: 'unknown_field', message: 'Field "topk" is not a field of this request.' }],
  invalid_input: [{ field: 'rows[0].amount', code: 'number_expected', message: 'rows[0].amount must be a number.' }],
};

/** An example of each error, by code. Message, ids and details differ from case to case. */
export const ERROR_EXAMPLES: Readonly<Record<string, { readonly summary: string; readonly value: ErrorResponse }>> =
  Object.fromEntries(
    (Object.keys(ERROR_CATALOGUE) as ErrorCode[]).map((code) => [
      code,
      { summary: ERROR_CATALOGUE[code], value: errorExample(code) },
    ]),
  );

function errorExample(code: ErrorCode): ErrorResponse {
  const details = DETAIL_EXAMPLES[code] ?? [];
  const stage = code === 'deadline_exceeded' ? { stage: 'queued' as const } : {};
  const error = new QuaysideError(code, details[0]?.message ?? ERROR_CATALOGUE[code], { details, ...stage });
  const ids = { requestId: '0198c2f1-7c3a-7d52-9a41-5f0e4a6b2c11', traceId: '4bf92f3577b34da6a3ce929d0e0e4736' };
  const { body } = renderError(error, ids);
  const { retry_after_ms } = body.error;
  return { error: { ...body.error, retry_after_ms: retry_after_ms === null ? null : 1000 } };
}

function header(description: string): object {
  return { description, schema: { type: 'string' } };
}

function parameter(description: string, schema: object): object {
  return { in: 'header', required: false, description, schema };
}
