import { Injectable } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { HttpPolicy } from './http-policy';
import { Routes } from './routes';

const READABLE_HEADERS = [
  'X-Request-ID',
  'X-Trace-ID',
  'X-Prediction-ID',
  'X-Features-Degraded',
  'X-Cache',
  'Server-Timing',
  'Retry-After',
  'retry-after-ms',
  'x-should-retry',
  'Location',
  'ETag',
  'Preference-Applied',
  'X-Job-Status',
  'X-Next-Cursor',
  'X-Results-Complete',
].join(', ');
const SENDABLE_HEADERS = [
  'Content-Type',
  'Content-Encoding',
  'X-Request-ID',
  'X-Request-Timeout-Ms',
  'traceparent',
  'Idempotency-Key',
  'If-None-Match',
  'Prefer',
].join(', ');
const PREFLIGHT_SECONDS = 600;

/**
 * Lets pages of the listed origins call, and answers OPTIONS: with what such a page may do, and with the methods that
 * the path has. Origins are compared as they are written, never by pattern; credentials are never allowed.
 */
@Injectable()
export class CrossOrigin {
  constructor(
    private readonly policy: HttpPolicy,
    private readonly routes: Routes,
  ) {}

  /** An Express middleware. */
  readonly handle = (request: Request, response: Response, next: NextFunction): void => {
    const isAllowed = this.allow(request, response);
    if (request.method !== 'OPTIONS') return next();
    const methods = this.routes.methodsOf(request.path);
    if (methods.length === 0) return next();
    response.set('Allow', methods.join(', '));
    if (isAllowed) describe(response, methods);
    response.status(204).end();
  };

  private allow({ headers: { origin } }: Request, response: Response): boolean {
    const { corsOrigins } = this.policy;
    if (corsOrigins.length === 0) return false;
    const isForAll = corsOrigins.includes('*');
    if (!isForAll) response.vary('Origin');
    if (origin === undefined || !(isForAll || corsOrigins.includes(origin))) return false;
    response.set({
      'Access-Control-Allow-Origin': isForAll ? '*' : origin,
      'Access-Control-Expose-Headers': READABLE_HEADERS,
    });
    return true;
  }
}

function describe(response: Response, methods: readonly string[]): void {
  response.set({
    'Access-Control-Allow-Methods': methods.join(', '),
    'Access-Control-Allow-Headers': SENDABLE_HEADERS,
    'Access-Control-Max-Age': String(PREFLIGHT_SECONDS),
  });
}
