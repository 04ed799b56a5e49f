import { IS_INT } from 'class-validator';
import { validationMetadatasToSchemas } from 'class-validator-jsonschema';
import { type Limits, RULES, SCHEMA_PREFIX } from './dto';

/** A JSON Schema as far as DTO classes need one; `type` may be a list, which OpenAPI 3.0 does not know (see `toOpenApi`). */
export interface DtoSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, DtoSchema>>;
  readonly items?: DtoSchema;
  readonly additionalProperties?: boolean | DtoSchema;
  readonly [keyword: string]: unknown;
}

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
  const { properties = {}, required = [] } = schema;
  const isRequired = (name: string): boolean =>
    properties[name]?.['nullable'] === true || (required as readonly string[]).includes(name);
  const names = Object.keys(properties).filter(isRequired);
  return { additionalProperties: false, ...schema, ...(names.length > 0 && { required: names }) };
}

function textSchema({ min, max }: Limits): { type: 'string'; minLength: number; maxLength: number } {
  return { type: 'string', minLength: min, maxLength: max };
}
