import type { ModelVersion } from '@app/model-registry';
import { type ColumnToMake, aBoundVersion, aModelVersion, featureViews } from '@app/testing';
import { compileBindings, hasBindings, pinnedViews, refuseTensors } from './compile-bindings';

const people = {
  name: 'people',
  entities: [{ name: 'person', dtype: 'INT64' }],
  features: [
    { name: 'age', dtype: 'INT64' },
    { name: 'income', dtype: 'FP64', default: 0 },
    { name: 'country', dtype: 'STRING' },
    { name: 'vector', dtype: 'FP32', shape: [4] },
    { name: 'risk', dtype: 'FP32', on_missing: 'nan' },
    { name: 'odd', dtype: 'FP64', default: 'NaN' },
  ],
};
const VIEWS = featureViews({ ...people, version: 1 }, { ...people, version: 4, max_age: '1d' });
const PERSON = { person: 'person_id' };

function faultsOf(version: ModelVersion): string {
  try {
    compileBindings(version, VIEWS);
    return '';
  } catch (error) {
    expect(error).toMatchObject({ code: 'model_load_failed' });
    return (error as Error).message;
  }
}

const faultOf = (settings: ColumnToMake, entities: Readonly<Record<string, string>> = PERSON): string =>
  faultsOf(aBoundVersion({ x: settings }, entities));

const AGE = 'feature:people@1:age';
const INCOME = 'feature:people@1:income';

describe(compileBindings.name, () => {
  it('finds nothing to compile in a manifest that binds nothing', () => {
    expect(compileBindings(aModelVersion({ model: 'plain' }), VIEWS)).toBeUndefined();
    expect(compileBindings(aBoundVersion({ x: { takes: 'FP32', default: 1 } }), VIEWS)).toBeUndefined();
    expect(hasBindings(aBoundVersion({ x: { takes: 'FP32', dtype: 'FP64' } }).manifest)).toBe(true);
  });

  it.each([
    ['a view that is not there', { from: 'feature:nobody@1:age' }, 'there is no feature view "nobody"'],
    [
      'a version that is not there',
      { from: 'feature:people@9:age' },
      'the view "people" has no version 9; its newest is people@4',
    ],
    [
      'a view without a version',
      { from: 'feature:people:age' },
      'the view "people" is not pinned; its newest version is people@4',
    ],
    [
      'a version by another name',
      { from: 'feature:people@latest:age' },
      'is not pinned; its newest version is people@4',
    ],
    ['a feature that is not there', { from: 'feature:people@1:size' }, 'the view people@1 has no feature "size"'],
    [
      'an array',
      { from: 'feature:people@1:vector' },
      'the feature "vector" of people@1 is an array, and a column takes one value',
    ],
    ['a forbidden cast', { from: 'feature:people@1:country' }, 'STRING cannot be cast to INT64'],
    [
      'a cast that needs leave',
      { from: 'feature:people@1:income' },
      'FP64 cannot be cast to INT64; "cast: exact" allows it for whole values',
    ],
    ['NaN for integers', { from: AGE, onMissing: 'nan' }, 'becomes NaN where it is missing, which INT64 cannot be'],
    [
      'no default for a policy',
      { from: AGE, onMissing: 'default' },
      'the feature "age" of people@1 has no default that could be used',
    ],
    [
      'a default of another type',
      { from: AGE, default: 'old' },
      'its default must be a number or a string of decimal digits',
    ],
    ['an expression that is none', { from: 'features.age' }, '"features.age" is none of request.<field>'],
    ['a constant of another type', { from: 'const:many' }, 'its const must be a number'],
    [
      'a transform that is not there',
      { from: 'transform:sqrt@1(request.a)' },
      'there is no transform sqrt@1; there are char_length@1',
    ],
    ['too few arguments', { from: 'transform:ratio@1(request.a)' }, 'the transform ratio@1 takes ratio@1(a, b)'],
    [
      'an argument of another type',
      { from: `transform:lower@1(${AGE})` },
      '"text" of lower@1 takes a text, and INT64 is none',
    ],
    ['a literal of another type', { from: 'transform:log1p@1("a")' }, '"x" of log1p@1 must be a number'],
    [
      'a value for a literal',
      { from: 'transform:hash_bucket@1(request.a, request.b)' },
      '"buckets" of hash_bucket@1 must be written out, not looked up',
    ],
    [
      'a literal that makes no sense',
      { from: 'transform:hash_bucket@1(request.a, 0)' },
      'the transform hash_bucket@1 cannot be: its buckets must be 1 to 2147483647',
    ],
    [
      'what a transform gives',
      { from: 'transform:log1p@1(request.a)' },
      'FP64 cannot be cast to INT64; "cast: exact" allows',
    ],
    [
      "an override of what is the request's",
      { override: 'request' },
      '"override" has no meaning where the value comes from the request anyway',
    ],
    [
      'a dtype of no request',
      { from: AGE, dtype: 'INT32' },
      '"dtype" is that of a request\'s value, and none is taken',
    ],
    ['a cast of nothing', { cast: 'exact' }, '"cast" has nothing to cast'],
    ['a policy for no feature', { from: 'const:1', onStale: 'serve' }, 'are for stored features, and it has none'],
    ['a default for a constant', { from: 'const:1', default: 1 }, 'a constant needs no default'],
  ] as const)('refuses %s', (_, settings, says) => {
    expect(faultOf({ takes: 'INT64', ...settings })).toContain('column "x": ');
    expect(faultOf({ takes: 'INT64', ...settings })).toContain(says);
  });

  it.each([
    [
      'a NaN that its column refuses',
      { takes: 'FP32', from: 'feature:people@1:risk' },
      'say "on_non_finite: accept" for the column',
    ],
    ['a default that its column refuses', { takes: 'FP32', from: 'feature:people@1:odd' }, 'its default is not finite'],
    [
      'a default that is lost',
      { takes: 'FP32', from: AGE, default: 16_777_217 },
      'its default cannot be FP32 without a loss',
    ],
    [
      'a default of the request that is lost',
      { takes: 'FP16', dtype: 'INT64', default: 2049 },
      'its default cannot be FP16 without a loss',
    ],
  ] as const)('refuses %s', (_, settings, says) => expect(faultOf(settings)).toContain(says));

  it('refuses a view whose key no field of the request gives, and an entity that no view has', () => {
    expect(faultOf({ takes: 'INT64', from: AGE }, {})).toContain(
      'the view people@1 is keyed by "person"; say "entities: { person: request.<field> }" in model.yaml',
    );
    expect(faultOf({ takes: 'INT64', from: AGE }, { ...PERSON, shop: 'shop' })).toContain(
      '"entities.shop": no view that the columns need is keyed by it',
    );
  });

  it('refuses bindings of a task without columns', () => {
    const version = { ...aBoundVersion({ x: { takes: 'INT64', from: AGE } }, PERSON), task: 'embedding' } as const;
    expect(faultsOf(version)).toContain('the task embedding has no columns to bind');
  });

  it('lists the faults of all columns and arguments together', () => {
    const version = aBoundVersion(
      {
        a: { takes: 'INT64', from: 'feature:nobody@1:age' },
        good: { takes: 'INT64', from: AGE },
        b: {
          takes: 'FP32',
          from: 'transform:ratio@1(feature:people:age, feature:people@1:country)',
          override: 'request',
        },
        c: { takes: 'BYTES', from: AGE },
      },
      PERSON,
    );
    expect(faultsOf(version)).toBe(
      'The bindings of bound@1 have 4 faults: column "a": there is no feature view "nobody"; ' +
        'column "b": the view "people" is not pinned; its newest version is people@4; ' +
        'column "b": "b" of ratio@1 takes a number, and STRING is none; ' +
        'column "c": INT64 cannot be cast to BYTES.',
    );
  });

  it('takes what stands nearest: the column before the view', () => {
    const settings = { default: 7, onStale: 'serve', onTimeout: 'defaults' } as const;
    const version = aBoundVersion({ x: { takes: 'INT64', from: 'feature:people@4:age', ...settings } }, PERSON);
    const [column] = compileBindings(version, VIEWS)?.columns ?? [];
    expect(column?.source).toMatchObject({
      feature: {
        wanted: {
          default: 7n,
          onMissing: 'default',
          onStale: 'serve',
          onTimeout: 'defaults',
          maxAgeUs: 86_400_000_000n,
        },
      },
    });
  });
});

describe('a version of a view that is pinned', () => {
  const version = aBoundVersion({ x: { takes: 'INT64', from: AGE }, y: { takes: 'FP64', from: INCOME } }, PERSON);

  it('means the same after a new version came, and however its features are ordered', () => {
    const alone = compileBindings(version, featureViews({ ...people, version: 1 }));
    const features = people.features.filter(({ name }) => name !== 'country').reverse();
    const newer = { ...people, version: 2, max_age: '1h', features };
    expect(compileBindings(version, featureViews({ ...people, version: 1 }, newer))).toEqual(alone);
    const reversed = { ...people, version: 1, features: [...people.features].reverse() };
    expect(compileBindings(version, featureViews(reversed))).toEqual(alone);
  });
});

describe(pinnedViews.name, () => {
  it('finds the versions that a manifest pins, in transforms too, each once', () => {
    const version = aBoundVersion({
      a: { takes: 'INT64', from: AGE },
      b: { takes: 'FP32', from: `transform:ratio@1(${AGE}, feature:other@2:x)` },
      c: { takes: 'FP32', from: 'feature:unpinned:x' },
      d: { takes: 'FP32', from: 'nonsense' },
      e: { takes: 'FP32' },
    });
    expect(pinnedViews(version.manifest)).toEqual([
      { view: 'people', version: 1 },
      { view: 'other', version: 2 },
    ]);
  });
});

describe(refuseTensors.name, () => {
  it('refuses where the model has columns of its own that no request may give', () => {
    const stored = { takes: 'INT64', from: AGE } as const;
    expect(() => refuseTensors(aBoundVersion({ x: stored }))).toThrow(
      expect.objectContaining({ code: 'invalid_input', message: expect.stringContaining('send rows') }),
    );
    expect(() => refuseTensors(aBoundVersion({ x: { ...stored, override: 'request' } }))).not.toThrow();
    expect(() => refuseTensors(aBoundVersion({ x: { takes: 'INT64', from: 'request.y' } }))).not.toThrow();
    expect(() => refuseTensors(aModelVersion({ model: 'plain' }))).not.toThrow();
  });
});
