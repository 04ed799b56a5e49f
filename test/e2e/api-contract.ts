import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import type { Answer } from './door';

interface Reference {
  readonly $ref: string;
}

/** What is said of a body of one media type. */
interface Content {
  readonly schema: object;
  readonly examples?: Readonly<Record<string, object>>;
}

interface Response {
  readonly headers: Readonly<Record<string, Reference>>;
  /** Absent where there is no body. */
  readonly content?: Readonly<Record<string, Content>>;
}

interface Operation {
  readonly operationId: string;
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, Response>>;
}

/** As much of an OpenAPI document as tests look at. */
export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Record<string, unknown>>> };
}

/** One exchange: what was asked, and what came. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly answer: Answer;
  /** Whether the request asked for the option `int64: number`. */
  readonly asksForNumbers: boolean;
}

const ID = 'openapi.json';
const ALWAYS = ['x-request-id', 'x-trace-id'];
const LINES = 'application/x-ndjson';
/** What Node answers before a route is known, and what no route has. */
const WITHOUT_OPERATION = new Set([400, 404, 405, 408, 413, 415, 417, 431, 500, 503]);

/** What the document promises, as assertions. */
export class ApiContract {
  private readonly ajv: Ajv;
  private readonly validators = new Map<object, ValidateFunction>();

  private constructor(readonly document: ApiDocument) {
    this.ajv = new Ajv({ strict: false, allErrors: true });
    this.ajv.addSchema({ $id: ID, components: document.components });
  }

  /** The document as it stands in the repository. */
  static committed(): ApiContract {
    return new ApiContract(JSON.parse(readFileSync(join(__dirname, '../../openapi.json'), 'utf8')) as ApiDocument);
  }

  /** Throws when the answer is not one that the document allows for this request. */
  check({ method, path, answer, asksForNumbers }: Exchange): void {
    const { status, headers, body } = answer;
    const where = `${method} ${path.slice(0, 80)} → ${status}`;
    for (const name of ALWAYS) assert(headers.get(name), `${where}: ${name} is missing`);
    if (status === 204 || !path.startsWith('/') || path.startsWith('/docs')) return;
    if (body !== undefined && !asksForNumbers) assertNoUnsafeIntegers(answer.text, where);
    const operation = this.operationOf(method, path);
    if (!operation) return this.checkUnknown(answer, where);
    const response = operation.responses[status] as Response | undefined;
    assert(response, `${where}: ${operation.operationId} does not document this status`);
    for (const name of Object.keys(response.headers)) {
      if (isAlways(name, body)) assert(headers.get(name) !== null, `${where}: header ${name} is missing`);
    }
    if (method === 'HEAD') return;
    this.checkBody(response, answer, `${where}: ${operation.operationId}`);
  }

  private checkBody({ content }: Response, { headers, text, body }: Answer, where: string): void {
    if (!content) return assert(text === '', `${where}: there is a body`);
    const type = mediaTypeOf(headers);
    const found = content[type];
    assert(found, `${where} does not document ${type}`);
    if (type === LINES) return this.checkLines(found.schema, text, where);
    this.checkSchema(found.schema, body, where);
    const { error } = (body ?? {}) as { readonly error?: { readonly code: string } | null };
    // A job that failed has an error, too, which is none of the answer.
    if (error && 'request_id' in error)
      assert(error.code in (found.examples ?? {}), `${where} does not document ${error.code}`);
  }

  private checkLines(schema: object, text: string, where: string): void {
    assert(text === '' || text.endsWith('\n'), `${where}: the last line does not end`);
    for (const line of text.split('\n').slice(0, -1)) this.checkSchema(schema, JSON.parse(line), where);
  }

  private checkUnknown({ status, body }: Answer, where: string): void {
    assert(WITHOUT_OPERATION.has(status), `${where}: no operation answers here`);
    if (body !== undefined) this.checkSchema({ $ref: '#/components/schemas/ErrorResponse' }, body, where);
  }

  private operationOf(method: string, path: string): Operation | undefined {
    const wanted = pathOf(path);
    const found = Object.entries(this.document.paths).find(([template]) => matches(template, wanted));
    return found?.[1][(method === 'HEAD' ? 'get' : method).toLowerCase()];
  }

  /** Throws when the value is not one that the schema, with references into the document, allows. */
  checkSchema(schema: object, body: unknown, where: string): void {
    const validate = this.validators.get(schema) ?? this.compile(schema);
    assert(validate(body), `${where}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(body)?.slice(0, 300)}`);
  }

  private compile(schema: object): ValidateFunction {
    const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', `"${ID}#/`)) as object;
    const validate = this.ajv.compile(absolute);
    this.validators.set(schema, validate);
    return validate;
  }
}

function mediaTypeOf(headers: Headers): string {
  return headers.get('content-type')?.split(';')[0] ?? 'none';
}

/** A template matches a path segment by segment. */
function matches(template: string, path: string): boolean {
  const pattern = template.replaceAll(/[.]/g, '\\.').replaceAll(/\{[^}]+\}/g, '[^/]+');
  return new RegExp(`^${pattern}/?$`, 'i').test(path);
}

function pathOf(path: string): string {
  return path.split(/[?#]/)[0] ?? path;
}

/** Headers that come with some answers of a status only. */
function isAlways(name: string, body: unknown): boolean {
  const { error } = (body ?? {}) as { readonly error?: { readonly code: string; readonly retryable: boolean } | null };
  if (name === 'Retry-After' || name === 'retry-after-ms') return error?.retryable === true;
  // With defaults that stand in for stored features.
  if (name === 'X-Features-Degraded') return false;
  // Where a job ended while it was waited for.
  if (name === 'Preference-Applied') return false;
  return name !== 'Accept-Encoding' || error?.code === 'unsupported_encoding';
}

/** Clients read numbers as doubles, so an integer that no double holds must travel as a string. */
function assertNoUnsafeIntegers(text: string, where: string): void {
  JSON.parse(text, (_key, value: unknown, context: { readonly source?: string } = {}) => {
    const { source = '' } = context;
    if (/^-?\d+$/.test(source)) assert(BigInt(source) === BigInt(value as number), `${where}: ${source} is no double`);
    return value;
  });
}

function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
