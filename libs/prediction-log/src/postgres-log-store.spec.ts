import { QuaysideError } from '@app/core';
import { reasonOf } from './postgres-log-store';

/** As `pg` throws: its words may quote what was to be written. */
const refusal = (code: string): Error => Object.assign(new Error('Key (ssn)=(123-45-6789)'), { code });

const away = (cause?: unknown): QuaysideError => new QuaysideError('database_unavailable', 'Away.', { cause });

describe(reasonOf.name, () => {
  it.each([
    ['a refusal', refusal('23505'), '23505'],
    ['a full disk', away(refusal('53100')), 'database_unavailable: 53100'],
    ['a server that is away', away(refusal('ECONNREFUSED')), 'database_unavailable: ECONNREFUSED'],
    ['a server that does not answer', away(), 'database_unavailable'],
    ['a refusal behind another', away(away()), 'database_unavailable'],
    ['a defect', new TypeError('ssn 123-45-6789'), 'TypeError'],
  ])('tells of %s by codes alone', (_, fault, says) => {
    expect(reasonOf(fault)).toBe(says);
  });
});
