import { type ErrorDetail, QuaysideError } from '@app/core';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { type DtoSchema, dtoSchemas } from './dto-schemas';
import { readParameters } from './query-parameters';

/** A DTO class: its decorators are its rules, the initialisers of its fields their defaults. */
export type DtoClass<Dto extends object> = new () => Dto;

/** Above so many values in a body only its first fault is looked for: one fault per item would fill the memory. */
const THOROUGH_NODES = 1000;
const MOST_DETAILS = 10;
const MOST_NAME_CHARACTERS = 80;
const ID = 'dto';

/**
 * Checks bodies against DTO classes. Class-validator's decorators become JSON Schemas, which are compiled once:
 * `docs/adr/0004-validators-are-compiled.md`.
 */
export class DtoValidators {
  private readonly schemas = dtoSchemas();
  /** Stops at the first fault. */
  private readonly quick = compiler(this.schemas, { allErrors: false });
  private readonly compiled = new Map<DtoClass<object>, ValidateFunction>();
  /** Finds every fault. */
  private readonly thorough = compiler(this.schemas, { allErrors: true });

  /**
   * The body as an instance of the class, with defaults filled in. Nothing is converted: `"5"` is no number.
   * Throws invalid_request with at most 10 details.
   */
  check<Dto extends object>(type: DtoClass<Dto>, body: unknown): Dto {
    let quick = this.compiled.get(type);
    if (!quick) this.compiled.set(type, (quick = validatorOf(this.quick, type.name)));
    if (!quick(body)) throw this.refusal(type.name, body, quick.errors ?? []);
    return Object.assign(new type(), body);
  }

  /** The same of the query of a URL, whose texts are read as what the fields are. Throws invalid_request. */
  checkQuery<Dto extends object>(type: DtoClass<Dto>, query: Readonly<Record<string, unknown>>): Dto {
    return this.check(type, readParameters(this.fieldsOf(type), query));
  }

  /** The fields of a class, by name. */
  fieldsOf(type: DtoClass<object>): Readonly<Record<string, DtoSchema>> {
    return this.schemas[type.name]?.properties ?? {};
  }

  private refusal(name: string, body: unknown, first: readonly ErrorObject[]): QuaysideError {
    const details = (hasAtMost(body, THOROUGH_NODES) ? this.everyFault(name, body) : first)
      .slice(0, MOST_DETAILS)
      .map(toDetail);
    const [main] = details;
    return new QuaysideError('invalid_request', main?.message ?? 'The body is not valid.', { details });
  }

  private everyFault(name: string, body: unknown): readonly ErrorObject[] {
    const validate = validatorOf(this.thorough, name);
    validate(body);
    const errors = validate.errors ?? [];
    // Of a value of a wrong type nothing else that is wrong with it is worth telling.
    const mistyped = new Set(errors.flatMap(({ keyword, instancePath }) => (keyword === 'type' ? [instancePath] : [])));
    return errors.filter(({ keyword, instancePath }) => keyword === 'type' || !mistyped.has(instancePath));
  }
}

type Schemas = Readonly<Record<string, DtoSchema>>;

function compiler(schemas: Schemas, { allErrors }: { readonly allErrors: boolean }): Ajv {
  const ajv = new Ajv({ allErrors, strict: true, allowUnionTypes: true, verbose: true, strictTypes: false });
  // Places and prose of OpenAPI, which say nothing about validity.
  ajv.addVocabulary(['components', 'example']);
  return ajv.addSchema({ $id: ID, components: { schemas } });
}

function validatorOf(ajv: Ajv, name: string): ValidateFunction {
  const validate = ajv.getSchema(`${ID}#/components/schemas/${name}`);
  if (!validate) throw new Error(`Class ${name} has no validation decorators.`);
  return validate;
}

function hasAtMost(body: unknown, nodes: number): boolean {
  const open: unknown[] = [body];
  let left = nodes;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const children = Array.isArray(next) ? next : Object.values(next);
    left -= children.length;
    if (left < 0) return false;
    open.push(...children);
  }
  return true;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

/** What each JSON Schema keyword says when it is broken: the code, and the sentence after the field's name. */
const FAULTS: Readonly<Record<string, (error: ErrorObject) => { readonly code: string; readonly says: string }>> = {
  required: () => ({ code: 'missing_field', says: 'is missing' }),
  additionalProperties: () => ({ code: 'unknown_field', says: 'is not a field of this request' }),
  type: typeFault,
  minLength: ({ params }) => ({ code: 'too_short', says: `must have at least ${params['limit']} characters` }),
  maxLength: ({ params }) => ({ code: 'too_long', says: `must have at most ${params['limit']} characters` }),
  minItems: ({ params }) => ({ code: 'too_few_items', says: `must have at least ${params['limit']} items` }),
  maxItems: ({ params }) => ({ code: 'too_many_items', says: `must have at most ${params['limit']} items` }),
  minimum: ({ params }) => ({ code: 'out_of_range', says: `must be ${params['limit']} or more` }),
  maximum: ({ params }) => ({ code: 'out_of_range', says: `must be ${params['limit']} or less` }),
  pattern: ({ params }) => ({ code: 'pattern_mismatch', says: `must match ${params['pattern']}` }),
  enum: ({ params }) => ({ code: 'not_allowed', says: `must be one of: ${params['allowedValues'].join(', ')}` }),
};

function typeFault({ data, params }: ErrorObject): { code: string; says: string } {
  if (data === null) return { code: 'null_not_allowed', says: 'must not be null; leave it out instead' };
  const types = [params['type']].flat() as string[];
  const isFraction = types.includes('integer') && typeof data === 'number' && Number.isFinite(data);
  return {
    code: isFraction ? 'not_integer' : 'wrong_type',
    says: `must be ${types.map((type) => TYPE_NAMES[type]).join(' or ')}`,
  };
}

function toDetail(error: ErrorObject): ErrorDetail {
  const { code, says } = FAULTS[error.keyword]?.(error) ?? { code: 'invalid', says: 'is not valid' };
  const field = fieldOf(error);
  return { field, code, message: `${field === 'body' ? 'The body' : `Field "${field}"`} ${says}.` };
}

/** A JSON pointer as a path: `/options/top_k` is `options.top_k`, `/text/3` is `text[3]`, the whole body is `body`. */
function fieldOf({ instancePath, params }: ErrorObject): string {
  const keys = instancePath
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const own: unknown = params['missingProperty'] ?? params['additionalProperty'];
  if (typeof own === 'string') keys.push(own);
  if (keys.length === 0) return 'body';
  const path = keys.reduce(
    (left, key) => (/^\d+$/.test(key) ? `${left}[${key}]` : left === '' ? key : `${left}.${key}`),
    '',
  );
  return path.length > MOST_NAME_CHARACTERS ? `${path.slice(0, MOST_NAME_CHARACTERS)}…` : path;
}
