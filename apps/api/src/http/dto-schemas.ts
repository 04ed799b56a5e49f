import { IS_INT } from 'class-validator';
import { validationMetadatasToSchemas } from 'class-validator-jsonschema';
import { type Limits, RULES, SCHEMA_PREFIX } from './dto';

/** A JSON Schema as far as DTO classes need one; `type` may be a list, which OpenAPI 3.0 does not know (see `toOpenApi`). */
export interface DtoSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, DtoSchema>>;
  readonly items?: DtoSchema;
  readonly additionalProperties?: boolean | DtoSchema;
  readonly required?: readonly string[];
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly [keyword: string]: unknown;
}

/** Marks a field for `completed`, which takes it away. */
const MAY_BE_LEFT_OUT = 'x-may-be-left-out';

/**
 * The schema of every DTO class that has been imported, by class name, from its class-validator decorators. A class
 * takes no other fields than its own, unless it says `additionalProperties` itself. Initialisers of fields are defaults.
 */
export function dtoSchemas(): Readonly<Record<string, DtoSchema>> {
  const schemas = validationMetadatasToSchemas({
    refPointerPrefix: SCHEMA_PREFIX,
    additionalConverters: {
      [RULES.text]: ({ constraints: [limits] }) => textSchema(limits),
      [RULES.textOrTexts]: ({ constraints: [limits] }) => ({
        ...textSchema(limits),
        // openapi3-ts knows no lists of types; Ajv does, and reports faults by the type that is there.
        type: ['string', 'array'] as unknown as 'string',
        items: textSchema(limits),
        minItems: 1,
        maxItems: limits.items,
      }),
      [RULES.record]: { type: 'object', additionalProperties: true },
      [RULES.records]: ({ constraints: [limits] }) => ({
        type: 'array',
        items: { type: 'object', additionalProperties: true },
        minItems: limits.min,
        maxItems: limits.max,
      }),
      [RULES.nested]: ({ constraints: [name] }) => ({ $ref: SCHEMA_PREFIX + name }),
      [RULES.listOf]: ({ constraints: [name, { min, max }] }) => ({
        type: 'array',
        items: { $ref: SCHEMA_PREFIX + name },
        ...(min > 0 && { minItems: min }),
        ...(max < Infinity && { maxItems: max }),
      }),
      [RULES.nullable]: { nullable: true },
      [RULES.optionalNullable]: { nullable: true, [MAY_BE_LEFT_OUT]: true },
      // Without the converter's own `type: number`, which would win over `integer` by the order of decorators.
      min: ({ constraints: [minimum] }) => ({ minimum }),
      max: ({ constraints: [maximum] }) => ({ maximum }),
      [IS_INT]: { type: 'integer' },
    },
  }) as Record<string, DtoSchema>;
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, completed(schema)]));
}

/** What decorators cannot say: no other fields, and fields that may be null are there all the same. */
function completed(schema: DtoSchema): DtoSchema {
  const properties = Object.entries(schema.properties ?? {});
  const required = properties.filter(
    ([name, { nullable, [MAY_BE_LEFT_OUT]: isOptional }]) =>
      (nullable && !isOptional) || schema.required?.includes(name),
  );
  return {
    additionalProperties: false,
    ...schema,
    properties: Object.fromEntries(properties.map(([name, property]) => [name, withNull(property)])),
    ...(required.length > 0 && { required: required.map(([name]) => name) }),
  };
}

/** `nullable` alone does not put null among the values of an `enum`. */
function withNull({ [MAY_BE_LEFT_OUT]: _, ...property }: DtoSchema): DtoSchema {
  return property.nullable && property.enum ? { ...property, enum: [...property.enum, null] } : property;
}

function textSchema({ min, max }: Limits): { type: 'string'; minLength: number; maxLength: number } {
  return { type: 'string', minLength: min, maxLength: max };
}
