import { createHmac } from 'node:crypto';
import { DEFAULT_MANIFEST, type FieldRule } from '@app/model-registry';
import { ModelFieldRules } from './field-rules';
import { Redactor } from './redaction';

const redactor = new Redactor('key');
const rules = (fields: Readonly<Record<string, FieldRule>>): Map<string, FieldRule> => new Map(Object.entries(fields));

describe(Redactor.name, () => {
  it('hides fields at whatever depth as their rules say', () => {
    const value = { id: 7, name: 'Grüße 😀!', note: 'x', pin: [1], list: [{ pin: 'a', other: 1 }], kept: 'y' };
    const shown = redactor.redact(value, rules({ note: 'drop', pin: 'mask', name: { truncate: 7 }, kept: 'keep' }));
    expect(shown).toEqual({ id: 7, name: 'Grüße 😀', pin: '***', list: [{ pin: '***', other: 1 }], kept: 'y' });
  });

  it('gives equal values equal hashes, which only the key can make', () => {
    const { a, b } = redactor.redact({ a: 'x', b: 'x' }, rules({ a: 'hash', b: 'hash' })) as { a: string; b: string };
    expect(a).toBe(b);
    expect(a).toBe(`hmac-sha256:${createHmac('sha256', 'key').update('x').digest('hex')}`);
    expect(new Redactor('other').hash('x')).not.toBe(a);
  });

  it('masks what is no text where text would be cut', () => {
    expect(redactor.apply(4711, { truncate: 2 })).toBe('***');
  });

  it('gives the same value back where nothing is hidden', () => {
    const value = { a: 1 };
    expect(redactor.redact(value, rules({ b: 'keep' }))).toBe(value);
  });
});

describe(ModelFieldRules.name, () => {
  it('hides a column like what it is made of', () => {
    const columns = [
      { name: 'plain' },
      { name: 'renamed', from: 'request.ssn' },
      { name: 'bound', from: 'feature:people@1:phone' },
      { name: 'made', from: 'transform:lower@1(request.nick)' },
      { name: 'told', from: 'feature:people@1:phone' },
    ];
    const of = new ModelFieldRules((view, feature) =>
      view === 'people@1' && feature === 'phone' ? 'hash' : undefined,
    );
    const fields = { ssn: 'drop', nick: { truncate: 2 }, told: 'keep' } as const;
    const manifest = {
      ...DEFAULT_MANIFEST,
      tabular: { columns },
      log: { ...DEFAULT_MANIFEST.log, fields },
    };
    expect(Object.fromEntries(of.of(manifest))).toEqual({ ...fields, renamed: 'drop', bound: 'hash', made: 'mask' });
  });
});
