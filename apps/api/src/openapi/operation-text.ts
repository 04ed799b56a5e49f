import type { ErrorCode } from '@app/core';
import type { HeaderName, ParameterName } from './components';
import type { Example } from './examples';

/** Groups of operations, in the order in which they are shown. */
export const TAGS = {
  inference: 'Predictions.',
  predictions: 'What was asked and answered.',
  jobs: 'Many rows in one request, answered in their own time.',
  features: 'What is stored of entities, for models to look up.',
  models: 'Which models there are, and what each takes and gives.',
  health: 'What an orchestrator asks.',
  about: 'The server itself.',
} as const;

/** What the document says of one operation, beside what it finds in the controller. */
export interface OperationText {
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly description: string;
  /** Classes of the body, if there is one; of several, it is one. */
  readonly body?: readonly DtoType[];
  /** Media types that the body may have instead, as text. */
  readonly textBodies?: readonly string[];
  /** The class whose fields are the parameters of the query. */
  readonly query?: DtoType;
  /** The headers that it takes, beside those of all. */
  readonly takes?: readonly ParameterName[];
  /** What 200 means, or each status of a success; and the classes of its body. */
  readonly answers: string | Readonly<Record<number, string>>;
  readonly answer: readonly DtoType[];
  /** The media type of the body, where it is lines of the class. */
  readonly lines?: string;
  /** The headers of a success, beside those of all. */
  readonly headers?: readonly HeaderName[];
  /** Whether 200 carries the headers of a prediction. */
  readonly isInference?: boolean;
  /** Requests and their answers by name: each request gets that answer from the models of the default install. */
  readonly examples: Readonly<Record<string, Example>>;
  /** The class of the body with status 503, where it is not only that of an error. */
  readonly unavailable?: DtoType;
  /** Every code that the operation can answer. */
  readonly errors: readonly ErrorCode[];
}

/** A DTO class. */
export type DtoType = new () => object;

/** What any operation can answer. */
export const ANY = [
  'malformed_http',
  'invalid_request',
  'request_timeout',
  'expectation_failed',
  'headers_too_large',
  'internal',
  'shutting_down',
] as const satisfies readonly ErrorCode[];

/** What reading a JSON body can end in. */
export const BODY = [
  'body_too_large',
  'unsupported_encoding',
  'unsupported_media_type',
  'invalid_encoding',
  'invalid_utf8',
  'invalid_json',
  'json_too_deep',
  'json_too_many_keys',
  'forbidden_key',
] as const satisfies readonly ErrorCode[];
