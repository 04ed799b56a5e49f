import type { QuaysideError } from '@app/core';
import { entityKeyOf, parseEntityKey } from './entity-key';

const users = { entities: [{ name: 'user_id', dtype: 'INT64' }] } as const;
const pairs = {
  entities: [
    { name: 'country', dtype: 'STRING' },
    { name: 'user_id', dtype: 'INT64' },
  ],
} as const;

function codesOf(act: () => unknown): readonly string[] {
  try {
    act();
    return [];
  } catch (error) {
    return (error as QuaysideError).details.map(({ field, code }) => `${field} ${code}`);
  }
}

describe(entityKeyOf.name, () => {
  it('is one for 42 and "42"', () => {
    expect(entityKeyOf(users, { user_id: 42 })).toBe('["42"]');
    expect(entityKeyOf(users, { user_id: '42' })).toBe('["42"]');
  });

  it('has the join keys in the order of their names, however they are given', () => {
    expect(entityKeyOf(pairs, { user_id: 1, country: 'NL' })).toBe('["NL","1"]');
    expect(entityKeyOf(pairs, { country: 'NL', user_id: '1' })).toBe('["NL","1"]');
  });

  it('cannot be forged by what a text holds', () => {
    const twoTexts = { entities: (['a', 'b'] as const).map((name) => ({ name, dtype: 'STRING' as const })) };
    expect(entityKeyOf(twoTexts, { a: 'x","y', b: '' })).not.toBe(entityKeyOf(twoTexts, { a: 'x', b: 'y' }));
  });

  it('names everything that is wrong', () => {
    expect(codesOf(() => entityKeyOf(pairs, { user_id: 1.5, city: 'x' }, 'row'))).toEqual([
      'row unknown_entity',
      'row.country missing_input',
      'row.user_id not_integral',
    ]);
  });

  it('does not take what an object inherits', () => {
    const keyed = { entities: [{ name: 'constructor', dtype: 'STRING' }] } as const;
    expect(codesOf(() => entityKeyOf(keyed, {}))).toEqual(['entities.constructor missing_input']);
  });

  it('has at most 512 bytes', () => {
    const text = { entities: [{ name: 'id', dtype: 'STRING' }] } as const;
    expect(entityKeyOf(text, { id: 'ü'.repeat(254) })).toHaveLength(258);
    expect(codesOf(() => entityKeyOf(text, { id: 'ü'.repeat(255) }))).toEqual(['entities entity_key_too_long']);
  });
});

describe(parseEntityKey.name, () => {
  it('takes the value itself where a view has one join key, and a list always', () => {
    expect(parseEntityKey(users, '42')).toBe('["42"]');
    expect(parseEntityKey(users, '["42"]')).toBe('["42"]');
    expect(parseEntityKey(pairs, '["NL", 42]')).toBe('["NL","42"]');
  });

  it.each([
    ['NL', 'key invalid_entity_key'],
    ['[1', 'key invalid_entity_key'],
    ['{"a": 1}', 'key invalid_entity_key'],
    ['["NL"]', 'key shape_mismatch'],
    ['["NL", "x"]', 'key.user_id invalid_integer_string'],
  ])('refuses %s', (text, code) => {
    expect(codesOf(() => parseEntityKey(pairs, text))).toEqual([code]);
  });
});
