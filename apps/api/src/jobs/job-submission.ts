import type { InputEncoding, InputFormat, JobInput, JobSubmission } from '@app/batch-jobs';
import { Clock, QuaysideError, decodeTimestamp, isQuaysideError } from '@app/core';
import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { type DoorRequest, callOf } from '../http/call';
import { HttpPolicy } from '../http/http-policy';
import { uploadedBytes } from '../http/upload';
import { DtoValidators } from '../http/validators';
import { JobRequest, JobSettings } from './job-request.dto';

const FORMATS: Readonly<Record<string, InputFormat>> = {
  'application/x-ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/csv': 'csv',
  'application/json': 'json',
};
const MEDIA_TYPE = /^([\w.+-]+\/[\w.+-]+)\s*(?:;\s*(?:charset\s*=\s*(?:utf-8|"utf-8")|header\s*=\s*present)\s*)?$/i;

/** What a request with a job is made of. */
export interface SubmissionParts {
  readonly request: DoorRequest;
  readonly response: Response;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

/** Reads what is to be submitted: a job as one JSON object, or, where the query names a model, rows as they come. */
@Injectable()
export class JobSubmissions {
  constructor(
    private readonly validators: DtoValidators,
    private readonly policy: HttpPolicy,
    private readonly clock: Clock,
  ) {}

  /** Throws invalid_request, and for rows unsupported_media_type, unsupported_encoding and body_too_large. */
  read(parts: SubmissionParts): JobSubmission {
    const { request, query, body } = parts;
    if (Object.hasOwn(query, 'model')) {
      const settings = this.validators.checkQuery(JobSettings, query);
      return { ...this.settled(settings, request), input: { stream: this.upload(parts) } };
    }
    assertNoQuery(query);
    const { rows, ...settings } = this.validators.check(JobRequest, body);
    return { ...this.settled(settings, request), input: { rows, body: request.bodyBytes ?? Buffer.alloc(0) } };
  }

  private settled(settings: JobSettings, request: DoorRequest): Omit<JobSubmission, 'input'> {
    const { deadline } = settings;
    // A header that was sent twice arrives joined by a comma.
    const key = request.headers['idempotency-key'] as string | undefined;
    return {
      model: settings.model,
      version: settings.version,
      class: this.classOf(settings),
      metadata: settings.metadata ?? {},
      webhookUrl: settings.webhook_url,
      deadlineAtMs: deadline === undefined ? undefined : momentOf(deadline),
      onInvalid: settings.on_invalid ?? 'record',
      maxErrorRate: settings.max_error_rate,
      idempotencyKey: key,
      idField: settings.id_field,
      options: settings.options ?? {},
      signal: callOf(request).context.signal,
    };
  }

  private classOf({ priority = 'normal' }: JobSettings): JobSubmission['class'] {
    if (priority !== 'high' || this.policy.loopbackOnly) return priority;
    throw wrong('priority', 'not_loopback', 'may be high only while the server listens on loopback (HTTP_HOST)');
  }

  private upload({ request, response }: SubmissionParts): JobInput {
    const format = formatOf(request);
    const encoding = encodingOf(request, response);
    this.refuseTooLarge(request);
    const call = callOf(request);
    const bytes = uploadedBytes(request, {
      clock: this.clock,
      silenceMs: this.policy.bodyTimeoutMs,
      onProgress: (count) => call.bodyRead(count),
    });
    return { bytes, format, encoding };
  }

  /** What a body announces is refused before a byte is read; one that announces nothing is counted as it comes. */
  private refuseTooLarge({ headers }: DoorRequest): void {
    const { uploadLimitBytes } = this.policy;
    if (Number(headers['content-length'] ?? 0) <= uploadLimitBytes) return;
    throw new QuaysideError(
      'body_too_large',
      `The input has more than the ${uploadLimitBytes} bytes that a job takes.`,
    );
  }
}

function formatOf({ headers }: DoorRequest): InputFormat {
  const [, type = ''] = MEDIA_TYPE.exec(headers['content-type'] ?? '') ?? [];
  const format = FORMATS[type.toLowerCase()];
  if (format) return format;
  const types = Object.keys(FORMATS).join(', ');
  throw new QuaysideError('unsupported_media_type', `The Content-Type of rows must be one of ${types}, in UTF-8.`);
}

function encodingOf({ headers }: DoorRequest, response: Response): InputEncoding {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === 'gzip' || encoding === 'zstd') return encoding;
  response.setHeader('Accept-Encoding', 'gzip, zstd');
  throw new QuaysideError('unsupported_encoding', 'The Content-Encoding of rows must be gzip, zstd or identity.');
}

function assertNoQuery(query: Readonly<Record<string, unknown>>): void {
  const [stranger] = Object.keys(query);
  if (stranger === undefined) return;
  const name = stranger.slice(0, 80);
  throw wrong(name, 'unknown_field', 'stands in the query, where it is read only beside "model"; put it into the body');
}

function momentOf(text: string): number {
  try {
    return Number(decodeTimestamp(text, 'deadline') / 1000n);
  } catch (fault) {
    if (!isQuaysideError(fault)) throw fault;
    const code = fault.details[0]?.code ?? 'invalid_timestamp';
    throw wrong('deadline', code, 'must be a time such as 2026-11-24T10:00:00Z');
  }
}

function wrong(field: string, code: string, says: string): QuaysideError {
  const message = `Field "${field}" ${says}.`;
  return new QuaysideError('invalid_request', message, { details: [{ field, code, message }] });
}
