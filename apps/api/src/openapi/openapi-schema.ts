import type { DtoSchema } from '../http/dto-schemas';

const STRING_KEYWORDS = ['minLength', 'maxLength', 'pattern'];

/** What is null and nothing else. */
const NULL: DtoSchema = { type: 'object', nullable: true, enum: [null] };

/** A schema in the dialect of OpenAPI 3.0, which knows neither lists of types nor keywords beside `$ref`. */
export function toOpenApiSchema(schema: DtoSchema): DtoSchema {
  const { type, $ref, description, ...rest } = schema;
  if (typeof $ref === 'string' && schema.nullable) return { description, oneOf: [{ $ref }, NULL] };
  if (typeof $ref === 'string') return description === undefined ? { $ref } : { description, allOf: [{ $ref }] };
  if (Array.isArray(type)) return { description, oneOf: oneOfTypes(type as string[], rest) };
  const nested = {
    ...(schema.items && { items: toOpenApiSchema(schema.items) }),
    ...(schema.properties && { properties: mapValues(schema.properties, toOpenApiSchema) }),
  };
  return { ...schema, ...nested };
}

function oneOfTypes(types: readonly string[], keywords: Omit<DtoSchema, 'type'>): DtoSchema[] {
  const entries = Object.entries(keywords);
  const ofStrings = Object.fromEntries(entries.filter(([keyword]) => STRING_KEYWORDS.includes(keyword)));
  const ofOthers = Object.fromEntries(entries.filter(([keyword]) => !STRING_KEYWORDS.includes(keyword)));
  return types.map((type) => ({ type, ...(type === 'string' ? ofStrings : ofOthers) }));
}

function mapValues<Value, Mapped>(
  record: Readonly<Record<string, Value>>,
  map: (value: Value) => Mapped,
): Record<string, Mapped> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
