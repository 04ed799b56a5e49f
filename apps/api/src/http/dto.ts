import { applyDecorators } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt, IsNumber, IsObject, ValidateBy, ValidateIf, ValidateNested } from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';

/** Least and most: code points of a text, or items of a list. */
export interface Limits {
  readonly min: number;
  readonly max: number;
}

/** Where the schemas of DTO classes stand, in the OpenAPI document and for the compiled validators. */
export const SCHEMA_PREFIX = '#/components/schemas/';

/** Names of the rules below, by which `dto-schemas` finds them. */
export const RULES = {
  text: 'text',
  textOrTexts: 'textOrTexts',
  record: 'record',
  records: 'records',
  nested: 'nested',
  listOf: 'listOf',
  nullable: 'nullable',
  optionalNullable: 'optionalNullable',
} as const;

/** A text of so many Unicode code points. `class-validator`'s own `Length` leaves out variation selectors. */
export function Text(limits: Limits): PropertyDecorator {
  return rule(RULES.text, [limits], (value) => isText(value, limits));
}

/** One text, or a list of 1 to `items` texts, each of so many code points. */
export function TextOrTexts(limits: Limits & { readonly items: number }): PropertyDecorator {
  const isEachText = (value: unknown): boolean => isText(value, limits);
  const isList = (value: unknown): boolean => isListOf(value, { min: 1, max: limits.items }, isEachText);
  return rule(RULES.textOrTexts, [limits], (value) => isEachText(value) || isList(value));
}

/** A JSON object with any keys. */
export function AnyRecord(): PropertyDecorator {
  return rule(RULES.record, [], isRecord);
}

/** A list of JSON objects with any keys. */
export function AnyRecords(limits: Limits): PropertyDecorator {
  return rule(RULES.records, [limits], (value) => isListOf(value, limits, isRecord));
}

/** The field may be left out. Unlike `IsOptional` of class-validator it may not be null: null is not "absent". */
export function Optional(): PropertyDecorator {
  return ValidateIf((_object, value) => value !== undefined);
}

/** The field is always there, and may be null. For answers; no request takes null. */
export function Nullable(): PropertyDecorator {
  return applyDecorators(
    ValidateIf((_object, value) => value !== null),
    rule(RULES.nullable, [], () => true),
  );
}

/** The field of an answer may be null, and is left out where it was not asked for. */
export function OptionalNullable(): PropertyDecorator {
  return applyDecorators(
    ValidateIf((_object, value) => value !== undefined && value !== null),
    rule(RULES.optionalNullable, [], () => true),
  );
}

/** One object of a DTO class. */
export function Nested(type: new () => object): PropertyDecorator {
  return applyDecorators(
    IsObject(),
    ValidateNested(),
    Type(() => type),
    // ValidateNested sees no class in the type of a field that may be null.
    rule(RULES.nested, [type.name], isRecord),
  );
}

/** A list of objects of one DTO class. */
export function ListOf(type: new () => object, { min = 0, max = Infinity }: Partial<Limits> = {}): PropertyDecorator {
  const limits = { min, max };
  return applyDecorators(
    ValidateNested({ each: true }),
    Type(() => type),
    // Last, as its schema has to win over that of ValidateNested, which sees a list and not what is in it.
    rule(RULES.listOf, [type.name, limits], (value) => isListOf(value, limits, isRecord)),
  );
}

/** A whole number of things, in an answer. */
export function Count(description: string): PropertyDecorator {
  return applyDecorators(JSONSchema({ description }), IsInt());
}

/** A quantity in an answer, with its unit in the name of the field. */
export function Amount(description: string): PropertyDecorator {
  return applyDecorators(JSONSchema({ description }), IsNumber());
}

/** A quantity in an answer that is null where nothing is known of it. */
export function AmountIfAny(description: string): PropertyDecorator {
  return applyDecorators(JSONSchema({ description }), Nullable(), IsNumber());
}

function rule(name: string, constraints: unknown[], holds: (value: unknown) => boolean): PropertyDecorator {
  return ValidateBy({
    name,
    constraints,
    validator: { validate: holds, defaultMessage: () => `$property breaks ${name}` },
  });
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isListOf(value: unknown, { min, max }: Limits, holds: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length >= min && value.length <= max && value.every(holds);
}

function isText(value: unknown, { min, max }: Limits): boolean {
  if (typeof value !== 'string' || value.length > 2 * max) return false;
  const codePoints = [...value].length;
  return codePoints >= min && codePoints <= max;
}
