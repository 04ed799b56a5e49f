import { toOpenApiSchema } from './openapi-schema';

describe(toOpenApiSchema.name, () => {
  it('makes one schema of each type in a list of types, with the keywords that concern it', () => {
    const schema = {
      type: ['string', 'array'],
      description: 'd',
      minLength: 1,
      minItems: 2,
      items: { type: 'string' },
    };
    expect(toOpenApiSchema(schema)).toEqual({
      description: 'd',
      oneOf: [
        { type: 'string', minLength: 1 },
        { type: 'array', minItems: 2, items: { type: 'string' } },
      ],
    });
  });

  it('keeps the description of a reference, which OpenAPI 3.0 would ignore beside it', () => {
    const $ref = '#/components/schemas/A';
    expect(toOpenApiSchema({ $ref, description: 'd', type: 'object' })).toEqual({
      description: 'd',
      allOf: [{ $ref }],
    });
    expect(toOpenApiSchema({ $ref })).toEqual({ $ref });
  });

  it('goes into properties and items', () => {
    const inner = { type: ['string', 'array'], maxLength: 3 };
    const oneOf = { description: undefined, oneOf: [{ type: 'string', maxLength: 3 }, { type: 'array' }] };
    expect(toOpenApiSchema({ type: 'object', properties: { a: inner } })).toEqual({
      type: 'object',
      properties: { a: oneOf },
    });
    expect(toOpenApiSchema({ type: 'array', items: inner })).toEqual({ type: 'array', items: oneOf });
  });
});
