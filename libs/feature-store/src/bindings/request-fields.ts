import { isFloat } from '@app/core';
import type { BoundRow, FieldReading, RequestField } from '../feature-store';
import { DTYPE_OF_ARGUMENT } from './argument-compiler';
import type { BoundArgument, BoundColumn, Reading, ViewNeed } from './bindings';

/** What a request's row may have: keys of entities, fields that columns read, and columns that it may give itself. */
export function requestFields(
  columns: readonly BoundColumn[],
  needs: readonly ViewNeed[],
): ReadonlyMap<string, RequestField> {
  const fields = new Map<string, RequestField>();
  for (const field of [...needs.flatMap(keyFields), ...columns.flatMap(fieldsOf)]) {
    const known = fields.get(field.name);
    // A field that two columns read must be there if either needs it.
    fields.set(field.name, known ? { ...known, optional: known.optional && field.optional } : field);
  }
  return fields;
}

/** Fields that stand in for each other: what is looked up or computed may be given instead, where that is allowed. */
export function alternatives(columns: readonly BoundColumn[], needs: readonly ViewNeed[]): BoundRow['alternatives'] {
  const lookedUp = needs
    .filter(mayBeGiven)
    .map((need) => ({ either: namesOf(keyFields(need)), or: namesOf(need.columns) }));
  const computed = columns
    .filter(({ override, fallback }) => override && !fallback)
    .map((column) => ({ either: namesOf(computedFrom(column)), or: [column.name] }));
  return [...lookedUp, ...computed].filter(({ either }) => either.length > 0);
}

function mayBeGiven({ columns }: ViewNeed): boolean {
  return columns.every(({ override }) => override !== undefined);
}

function namesOf(named: readonly { readonly name: string }[]): readonly string[] {
  return named.map(({ name }) => name);
}

function keyFields(need: ViewNeed): readonly RequestField[] {
  const { reference, keyedBy } = need.view;
  const optional = mayBeGiven(need);
  const description = `What stored values are looked up by, in ${reference}.`;
  return keyedBy.entities.map(({ name, dtype }) => ({ name, reads: { as: 'key', dtype }, optional, description }));
}

function fieldsOf(column: BoundColumn): readonly RequestField[] {
  const { name, source, override, fallback } = column;
  if (source.kind === 'request') {
    const whenAbsent = fallback && { default: fallback.json };
    return [{ ...read(column, source.reading, `The column "${name}".`), optional: !!fallback, ...whenAbsent }];
  }
  const own = override && read(column, override, OVERRIDE[source.kind]);
  const optional = override !== undefined || fallback !== undefined;
  const description = `What "${name}" is computed from.`;
  return [...(own ? [own] : []), ...computedFrom(column).map((field) => ({ ...field, optional, description }))];
}

const OVERRIDE = {
  feature: 'Given here, it is not looked up.',
  transform: 'Given here, it is not computed.',
  const: 'Given here, it replaces the constant.',
} as const;

function read({ name, dtype }: BoundColumn, { field, typed, nullAsNan }: Reading, description: string): RequestField {
  const nullable = nullAsNan && isFloat(dtype);
  const reads: FieldReading = typed ? { as: 'dtype', dtype: typed.dtype, nullable } : { as: 'column', column: name };
  return { name: field, reads, optional: true, description };
}

type ReadField = Pick<RequestField, 'name' | 'reads'>;

function computedFrom({ source }: BoundColumn): readonly ReadField[] {
  return source.kind === 'transform' ? source.call.args.flatMap(argumentFields) : [];
}

function argumentFields(argument: BoundArgument): readonly ReadField[] {
  if (argument.kind === 'call') return argument.call.args.flatMap(argumentFields);
  if (argument.kind !== 'request') return [];
  const { field, takes } = argument;
  if (takes === 'category') return [{ name: field, reads: { as: 'category' } }];
  return [{ name: field, reads: { as: 'dtype', dtype: DTYPE_OF_ARGUMENT[takes], nullable: false } }];
}
