import type { JobRecord } from '@app/batch-jobs';
import { type CallContext, type Clock, QuaysideError } from '@app/core';
import type { Prediction } from '@app/inference';
import type { ModelVersion } from '@app/model-registry';
import { type RequestContext, requestContext } from '@app/observability';
import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { HttpPolicy } from './http-policy';

const TIMEOUT_HEADER = 'X-Request-Timeout-Ms';
const TIMEOUT_PATTERN = /^[1-9]\d*$/;

/** A request that a route has taken. */
export type DoorRequest = Request & {
  call?: Call;
  /** The body that was parsed, where the route takes whole jobs. */
  bodyBytes?: Uint8Array;
};

/** What a call is made of. */
export interface CallParts {
  readonly request: Request;
  readonly response: Response;
  readonly policy: HttpPolicy;
  readonly clock: Clock;
}

/** One request on its way through a controller: what the library must know of it, and what is told of it in headers and log. */
export class Call {
  readonly context: CallContext;
  private readonly log: RequestContext;
  private bodyReadAtMs: number;

  /** Throws invalid_request when the client's deadline cannot be read. */
  constructor(private readonly parts: CallParts) {
    const { request, policy } = parts;
    this.log = requestContext(request);
    const { requestId, traceparent, signal, receivedAtMs } = this.log;
    this.bodyReadAtMs = receivedAtMs;
    this.log.route = String(request.route?.path ?? request.path);
    this.context = { requestId, traceparent, signal, deadlineAtMs: receivedAtMs + timeoutMs(request, policy) };
  }

  /** So many bytes of the body have arrived, counted after inflating; for one that is streamed, as sent. */
  bodyRead(bytes: number): void {
    this.bodyReadAtMs = this.parts.clock.monotonicMs();
    this.log.bytesIn = bytes;
  }

  /** Notes the version that the call goes to, and puts the prediction's id on whatever the answer will be. */
  readonly goesTo = ({ model, version }: ModelVersion, predictionId: string): void => {
    this.log.model = model;
    this.log.modelVersion = version;
    this.parts.response.setHeader('X-Prediction-ID', predictionId);
  };

  /** Notes the job that the call made, and the version that its rows go to. */
  madeJob({ id, model, modelVersion }: Pick<JobRecord, 'id' | 'model' | 'modelVersion'>): void {
    this.log.jobId = id;
    this.log.model = model;
    this.log.modelVersion = modelVersion;
  }

  /** Sets the headers of an answer, and gives `latency_ms`: from the last byte of the body until now. */
  answered({ cache, queueMs, computeMs, batchSize, degraded }: Prediction): number {
    const latencyMs = rounded(this.parts.clock.monotonicMs() - this.bodyReadAtMs);
    const timing = `queue;dur=${rounded(queueMs)}, compute;dur=${rounded(computeMs)}, total;dur=${latencyMs}`;
    this.parts.response.setHeader('X-Cache', cache);
    this.parts.response.setHeader('Server-Timing', timing);
    if (degraded) this.parts.response.setHeader('X-Features-Degraded', 'true');
    this.log.cache = cache;
    this.log.queueMs = queueMs;
    this.log.computeMs = computeMs;
    this.log.batchSize = batchSize;
    return latencyMs;
  }
}

/** The call of a request that a guard has let through. */
export function callOf(request: DoorRequest): Call {
  if (!request.call) throw new Error('No guard has made the call of this request.');
  return request.call;
}

/** The `Call` of the request, as a parameter of a controller's method. */
export const CurrentCall = createParamDecorator((_data: unknown, context: ExecutionContext) =>
  callOf(context.switchToHttp().getRequest<DoorRequest>()),
);

function timeoutMs({ headers }: Request, { deadlineMs, maxDeadlineMs }: HttpPolicy): number {
  const asked = headers[TIMEOUT_HEADER.toLowerCase()];
  if (asked === undefined) return deadlineMs;
  if (typeof asked === 'string' && TIMEOUT_PATTERN.test(asked)) return Math.min(Number(asked), maxDeadlineMs);
  const message = `${TIMEOUT_HEADER} must be a whole number of milliseconds, 1 or more.`;
  const details = [{ field: TIMEOUT_HEADER, code: 'invalid_header', message }];
  throw new QuaysideError('invalid_request', message, { details });
}

function rounded(durationMs: number): number {
  return Math.round(durationMs * 1000) / 1000;
}
