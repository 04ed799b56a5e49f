import { type Clock, type ErrorDetail, type JsonRecord, type JsonValue, QuaysideError } from '@app/core';
import type { InferenceService, TaskSchema } from '@app/inference';
import type { WebhookOptions } from '../batch-jobs-options';
import { rowColumns } from '../input/cell-reading';
import type { IdField } from '../input/input-row';
import type { NewJob } from '../records/job-record';
import { webhookUrlFault } from '../webhooks/address-guard';
import type { JobSubmission } from './job-submission';
import { hasUnstorableText } from './unstorable-text';

/** What a submission is checked against. */
export interface SubmissionCheckParts {
  readonly inference: Pick<InferenceService, 'schema'>;
  readonly clock: Clock;
  readonly webhooks: WebhookOptions;
}

/** A submission that may begin, bound to the version that will answer all of it. */
export interface CheckedSubmission {
  readonly job: NewJob;
  readonly rowSchema: JsonValue;
  readonly idField: IdField | undefined;
}

const MAX_METADATA_BYTES = 16 * 1024;
const MAX_URL_LENGTH = 2048;
const MAX_ID_FIELD_LENGTH = 256;
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;
/** Years of four digits, as RFC 3339 has them. */
const LAST_MOMENT_MS = Date.UTC(9999, 11, 31);

/** Looks at all of a submission but its rows, before anything is stored. */
export class SubmissionCheck {
  private readonly allowedHosts: ReadonlySet<string>;

  constructor(private readonly parts: SubmissionCheckParts) {
    this.allowedHosts = new Set(parts.webhooks.allowedHosts);
  }

  /**
   * The job to begin, with model, version and digest as they are now. Throws model_not_found, model_version_not_found,
   * model_not_ready, model_unavailable, unsupported_option, and invalid_request with every field that is wrong.
   */
  check(tenant: string, submission: JobSubmission): CheckedSubmission {
    const { model, version, metadata, idempotencyKey, maxErrorRate, deadlineAtMs, webhookUrl, idField } = submission;
    this.refuseFaults(submission);
    const reference = version === undefined ? model : `${model}@${version}`;
    const { version: found, schema } = this.parts.inference.schema(reference);
    checkOptions(submission.options, schema);
    const isColumn = (name: string): boolean => rowColumns(schema.row).readings.has(name);
    return {
      job: {
        ...{ tenant, class: submission.class, metadata, params: submission.options as JsonRecord },
        ...{ model: found.model, modelVersion: found.version, digest: found.digest },
        ...(idempotencyKey !== undefined && { idempotencyKey }),
        ...(maxErrorRate !== undefined && { maxErrorRate }),
        ...(deadlineAtMs !== undefined && { deadlineAtMs }),
        ...(webhookUrl !== undefined && { webhookUrl: new URL(webhookUrl).href }),
      },
      rowSchema: schema.row,
      idField: idField === undefined ? undefined : { name: idField, staysInRow: isColumn(idField) },
    };
  }

  private refuseFaults(submission: JobSubmission): void {
    const faults = [
      { field: 'metadata', says: metadataFault(submission.metadata) },
      { field: 'webhook_url', says: this.receiverFault(submission.webhookUrl) },
      { field: 'deadline', says: this.deadlineFault(submission.deadlineAtMs) },
      { field: 'max_error_rate', says: rateFault(submission.maxErrorRate) },
      { field: 'Idempotency-Key', says: keyFault(submission.idempotencyKey) },
      { field: 'id_field', says: idFieldFault(submission.idField) },
    ];
    const details = faults.flatMap(({ field, says }) => (says === undefined ? [] : [detailOf(field, says)]));
    if (details[0]) throw new QuaysideError('invalid_request', details[0].message, { details });
  }

  private receiverFault(url: string | undefined): string | undefined {
    if (url === undefined) return undefined;
    if (this.parts.webhooks.secret === undefined)
      return 'webhook_url cannot be used: this server has no JOB_WEBHOOK_SECRET to sign messages with.';
    if (url.length > MAX_URL_LENGTH) return `webhook_url has more than ${MAX_URL_LENGTH} characters.`;
    const fault = webhookUrlFault(url, this.allowedHosts);
    return fault && `webhook_url is refused. ${fault}`;
  }

  private deadlineFault(atMs: number | undefined): string | undefined {
    if (atMs === undefined || (atMs > this.parts.clock.epochMs() && atMs < LAST_MOMENT_MS)) return undefined;
    return 'deadline must be a moment in the future, before the year 9999 ends.';
  }
}

/** Whether a text can be a key: 1 to 255 visible characters of ASCII. */
export function isIdempotencyKey(text: string): boolean {
  return IDEMPOTENCY_KEY.test(text);
}

function metadataFault(metadata: JsonRecord): string | undefined {
  if (Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA_BYTES)
    return `metadata has more than ${MAX_METADATA_BYTES} bytes as JSON.`;
  if (hasInexactNumber(metadata)) return 'metadata has a number beyond the exact ones: send it as a text.';
  return hasUnstorableText(metadata) ? 'metadata has a NUL or half of a surrogate pair in it.' : undefined;
}

/** Whether a number in a JSON value would come back as another one: an infinity, or an integer beyond ±(2^53 - 1). */
function hasInexactNumber(value: unknown): boolean {
  if (typeof value === 'number')
    return !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value));
  return typeof value === 'object' && value !== null && Object.values(value).some(hasInexactNumber);
}

function rateFault(rate: number | undefined): string | undefined {
  return rate === undefined || (rate >= 0 && rate <= 1) ? undefined : 'max_error_rate must be from 0 to 1.';
}

function keyFault(key: string | undefined): string | undefined {
  if (key === undefined || isIdempotencyKey(key)) return undefined;
  return 'Idempotency-Key must have 1 to 255 visible ASCII characters.';
}

function idFieldFault(name: string | undefined): string | undefined {
  if (name === undefined || (name !== '' && name.length <= MAX_ID_FIELD_LENGTH)) return undefined;
  return `id_field must have 1 to ${MAX_ID_FIELD_LENGTH} characters.`;
}

function detailOf(field: string, message: string): ErrorDetail {
  return { field, code: 'invalid_value', message };
}

/** Else every row would fail with it. Values out of their limits are the doors' to refuse. */
function checkOptions(options: object, { options: schema }: TaskSchema): void {
  const known = Object.keys((schema as { readonly properties?: object }).properties ?? {});
  const stranger = Object.entries(options).find(([name, value]) => value !== undefined && !known.includes(name))?.[0];
  if (stranger === undefined) return;
  const message = `The model does not support the option "${stranger.slice(0, 40)}". It takes ${known.join(', ')}.`;
  const details = [{ field: `options.${stranger.slice(0, 40)}`, code: 'unsupported_option', message }];
  throw new QuaysideError('unsupported_option', message, { details });
}
