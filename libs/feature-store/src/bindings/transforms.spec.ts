import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredScalar } from '@app/core';
import { TRANSFORM_NAMES, argumentCast, transformOf } from './transforms';

const NOW_US = 1_700_000_000_000_000n;

/** Known answers: what a version computes never changes. */
const ANSWERS: readonly (readonly [string, readonly StoredScalar[], StoredScalar])[] = [
  ['char_length@1', [''], 0],
  ['char_length@1', ['é🏔'], 2],
  ['lower@1', ['ÀB İ'], 'àb i̇'],
  ['log1p@1', [0], 0],
  ['log1p@1', [-1], -Infinity],
  ['log1p@1', [1e-20], 1e-20],
  ['clip@1', [5, 0, 2], 2],
  ['clip@1', [-5, 0, 2], 0],
  ['clip@1', [NaN, 0, 2], NaN],
  ['ratio@1', [1, 4], 0.25],
  ['ratio@1', [1, 0], Infinity],
  ['ratio@1', [0, 0], NaN],
  ['age_seconds@1', [NOW_US - 1_500_000n], 1.5],
  ['age_seconds@1', [NOW_US + 1n], -1e-6],
  // int.from_bytes(hashlib.sha256(b'car_new').digest()[:8], 'big') % 1000
  ['hash_bucket@1', ['car_new', 1000], 695],
  ['hash_bucket@1', [42, 1000], 637],
  ['hash_bucket@1', [42n, 1000], 637],
  ['one_hot@1', ['a', 'a'], true],
  ['one_hot@1', ['a', 'b'], false],
  ['one_hot@1', [3n, '3'], true],
  ['one_hot@1', [true, 'true'], true],
];

describe(transformOf.name, () => {
  it.each(ANSWERS)('computes %s of %p as %p', (name, args, answer) => {
    const [plain = '', version] = name.split('@');
    expect(transformOf(plain, Number(version))?.apply(args, NOW_US)).toBe(answer);
  });

  it('has a known answer for every transform', () => {
    expect(TRANSFORM_NAMES.filter((name) => !ANSWERS.some(([known]) => known === name))).toEqual([]);
  });

  it.each([
    ['clip', [undefined, 2, 1], 'its low is above its high'],
    ['hash_bucket', [undefined, 0], 'its buckets must be 1 to'],
    ['hash_bucket', [undefined, 1.5], 'its buckets must be 1 to'],
  ] as const)('refuses literals of %s that make no sense: %p', (name, literals, says) => {
    expect(transformOf(name, 1)?.refuses?.(literals)).toContain(says);
  });

  it('knows no other names and versions', () => {
    for (const [name, version] of [
      ['lower', 2],
      ['toString', 1],
      ['constructor', 1],
    ] as const) {
      expect(transformOf(name, version)).toBeUndefined();
    }
  });
});

describe('docs/model-manifest.md', () => {
  it('has a row for each transform, and for no other', () => {
    const page = readFileSync(join(__dirname, '../../../../docs/model-manifest.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `([a-z0-9_]+)@(\d+)\(([^)]*)\)` \| (\w+) \|/gm)];
    const described = rows.map(([, name, version, parameters, result]) => [`${name}@${version}`, parameters, result]);
    const wanted = TRANSFORM_NAMES.map((key) => {
      const [name = '', version] = key.split('@');
      const transform = transformOf(name, Number(version));
      return [key, transform?.parameters.map((parameter) => parameter.name).join(', '), transform?.result];
    });
    expect(described).toEqual(wanted);
  });
});

describe(argumentCast.name, () => {
  it('takes what a parameter can be computed of, and nothing else', () => {
    expect(argumentCast('STRING', 'text')?.('a')).toBe('a');
    expect(argumentCast('INT64', 'number')?.(7n)).toBe(7);
    expect(argumentCast('INT64', 'number')?.(2n ** 60n + 1n)).toBeUndefined();
    expect(argumentCast('TIMESTAMP', 'moment')?.(1n)).toBe(1n);
    expect(argumentCast('UINT8', 'category')?.(1)).toBe(1);
    for (const [dtype, kind] of [
      ['INT64', 'text'],
      ['STRING', 'number'],
      ['INT64', 'moment'],
      ['FP32', 'category'],
      ['TIMESTAMP', 'category'],
    ] as const) {
      expect(argumentCast(dtype, kind)).toBeUndefined();
    }
  });
});
