import type { ServerResponse } from 'node:http';
import { ERROR_CATALOGUE, type ErrorDetail, QuaysideError, isQuaysideError } from '@app/core';
import type { ErrorResponse } from './error.dto';
import { HTTP_ERRORS, type HttpError } from './http-errors';

/** By which ids a request is found again. */
export interface RequestIds {
  readonly requestId: string;
  readonly traceId: string;
}

/** An error as it goes out. */
export interface RenderedError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorResponse;
}

const MAX_DETAILS = 10;
/** A message may name what the client named, and that may be long. */
const MAX_MESSAGE_CHARACTERS = 500;
const DEFAULT_RETRY_AFTER_MS = 1000;
const MAX_RETRY_AFTER_MS = 30_000;
const DOCS_URL = 'docs/errors.md';

/** The error itself when it is one of the catalogue; any other throw is a defect, and becomes `internal` with its cause. */
export function asQuaysideError(thrown: unknown): QuaysideError {
  return isQuaysideError(thrown) ? thrown : new QuaysideError('internal', ERROR_CATALOGUE.internal, { cause: thrown });
}

/** Renders an error of the catalogue in the native form, with the headers that every door sends beside it. */
export function renderError(error: QuaysideError, ids: RequestIds): RenderedError {
  const http: HttpError = HTTP_ERRORS[error.code];
  // What fails on our side may carry native texts, paths or values: the client gets the catalogue's sentence alone.
  const isOurs = http.status >= 500;
  const details = isOurs ? [] : error.details.slice(0, MAX_DETAILS).map(clippedDetail);
  const retryAfterMs = http.retryable ? waitMs(error.retryAfterMs) : null;
  const body: ErrorResponse = {
    error: {
      code: error.code,
      type: http.type,
      message: isOurs ? ERROR_CATALOGUE[error.code] : clipped(error.message),
      param: details[0]?.field ?? null,
      details,
      status: http.status,
      retryable: http.retryable,
      retry_after_ms: retryAfterMs,
      request_id: ids.requestId,
      trace_id: ids.traceId,
      docs_url: `${DOCS_URL}#${error.code}`,
      ...(error.stage && { stage: error.stage }),
    },
  };
  return { status: http.status, headers: retryHeaders(http.retryable, retryAfterMs), body };
}

/** Answers with a rendered error, unless the answer has begun. True when it was sent. */
export function sendRendered(response: ServerResponse, rendered: RenderedError): boolean {
  if (response.headersSent || response.writableEnded || response.destroyed) return false;
  response.end(beginRendered(response, rendered));
  return true;
}

/** Puts the status and the headers of a rendered error on an answer, and gives the body that is to be sent. */
export function beginRendered(response: ServerResponse, { status, headers, body }: RenderedError): string {
  const json = JSON.stringify(body);
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(json));
  return json;
}

function clippedDetail({ field, code, message }: ErrorDetail): ErrorDetail {
  return { field: clipped(field), code, message: clipped(message) };
}

function clipped(text: string): string {
  return text.length > MAX_MESSAGE_CHARACTERS ? `${text.slice(0, MAX_MESSAGE_CHARACTERS)}…` : text;
}

function retryHeaders(retryable: boolean, retryAfterMs: number | null): Record<string, string> {
  if (retryAfterMs === null) return { 'x-should-retry': String(retryable) };
  return {
    'x-should-retry': String(retryable),
    'Retry-After': String(Math.ceil(retryAfterMs / 1000)),
    'retry-after-ms': String(retryAfterMs),
  };
}

/** Spread by a fifth to either side, so that clients refused together do not come back together. */
function waitMs(predictedMs = DEFAULT_RETRY_AFTER_MS): number {
  const spread = predictedMs * (0.8 + 0.4 * Math.random());
  return Math.round(Math.min(Math.max(spread, 1), MAX_RETRY_AFTER_MS));
}
