import type { StoredValue } from '@app/core';
import { type ResolvedFeature, type WantedFeature, resolveFeature, wantedOf } from './resolve-feature';
import type { StoredRow } from './rows/feature-reader';
import type { FeatureView } from './views/feature-view';

const NOW_US = 1_000_000n;
const MAX_AGE_US = 100n;

function row(value: StoredValue | null | undefined, ageUs = 0n): StoredRow {
  return { eventTsUs: NOW_US - ageUs, values: value === undefined ? {} : { amount: value } };
}

/** What was read, by name. */
const READ = {
  fresh: row(5),
  'fresh to the microsecond': row(5, MAX_AGE_US),
  'of a moment to come': row(5, -50n),
  old: row(5, MAX_AGE_US + 1n),
  'old and null': row(null, MAX_AGE_US + 1n),
  null: row(null),
  absent: row(undefined),
  nothing: undefined,
  late: 'timeout',
} as const satisfies Record<string, StoredRow | 'timeout' | undefined>;

type Outcome = Pick<ResolvedFeature, 'status' | 'source' | 'value' | 'refusal' | 'reason'>;

const stored = { status: 'PRESENT', source: 'store', value: 5 } as const;
const byDefault = (status: ResolvedFeature['status']) => ({ status, source: 'default', value: 1 }) as const;
const asNan = (status: ResolvedFeature['status']) => ({ status, source: 'default', value: NaN }) as const;
const refused = (status: ResolvedFeature['status'], refusal: ResolvedFeature['refusal']) =>
  ({ status, source: 'store', value: null, refusal }) as const;

const WITH_DEFAULT: WantedFeature = {
  name: 'amount',
  maxAgeUs: MAX_AGE_US,
  default: 1,
  onMissing: 'default',
  onStale: 'missing',
  onTimeout: 'error',
};
const { default: _, ...rest } = WITH_DEFAULT;
const WITHOUT: WantedFeature = { ...rest, onMissing: 'error' };

const NO_DEFAULT = { default: undefined } as const;

type Case = readonly [read: keyof typeof READ, policies: Partial<WantedFeature>, outcome: Outcome];

const CASES: readonly Case[] = [
  ['fresh', {}, stored],
  ['fresh to the microsecond', {}, stored],
  ['of a moment to come', {}, stored],
  ['null', {}, byDefault('NULL_VALUE')],
  ['absent', {}, byDefault('NULL_VALUE')],
  ['nothing', {}, byDefault('NOT_FOUND')],
  ['nothing', { onMissing: 'error' }, refused('NOT_FOUND', 'feature_missing')],
  ['null', { onMissing: 'error' }, refused('NULL_VALUE', 'feature_missing')],
  ['null', { onMissing: 'nan' }, asNan('NULL_VALUE')],
  ['nothing', { onMissing: 'nan' }, asNan('NOT_FOUND')],
  ['nothing', { ...NO_DEFAULT, onMissing: 'default' }, refused('NOT_FOUND', 'feature_missing')],
  ['old', {}, byDefault('OUTSIDE_MAX_AGE')],
  ['old', { onMissing: 'error' }, refused('OUTSIDE_MAX_AGE', 'feature_missing')],
  ['old', { onMissing: 'nan' }, asNan('OUTSIDE_MAX_AGE')],
  ['old', { onStale: 'default', onMissing: 'error' }, byDefault('OUTSIDE_MAX_AGE')],
  ['old', { ...NO_DEFAULT, onStale: 'default' }, refused('OUTSIDE_MAX_AGE', 'feature_stale')],
  ['old', { onStale: 'serve' }, { status: 'OUTSIDE_MAX_AGE', source: 'store', value: 5 }],
  ['old', { onStale: 'error' }, refused('OUTSIDE_MAX_AGE', 'feature_stale')],
  ['old and null', {}, byDefault('OUTSIDE_MAX_AGE')],
  ['old and null', { onStale: 'serve' }, byDefault('OUTSIDE_MAX_AGE')],
  ['late', {}, { ...refused(null, 'features_unavailable'), reason: 'timeout' }],
  ['late', { onTimeout: 'defaults' }, { ...byDefault(null), reason: 'timeout' }],
  ['late', { ...NO_DEFAULT, onTimeout: 'defaults' }, { ...refused(null, 'features_unavailable'), reason: 'timeout' }],
  [
    'late',
    { ...NO_DEFAULT, onTimeout: 'defaults', onMissing: 'nan' },
    { ...refused(null, 'features_unavailable'), reason: 'timeout' },
  ],
];

describe(resolveFeature.name, () => {
  it.each(CASES)('finds a row that is %s, with %j: %j', (read, policies, outcome) => {
    const { eventTsUs: _moment, ...found } = resolveFeature({ ...WITH_DEFAULT, ...policies }, READ[read], NOW_US);
    expect(found).toEqual(outcome);
  });

  it('never takes a row for stale where the view has no maximal age', () => {
    const { maxAgeUs: _age, ...ageless } = WITH_DEFAULT;
    expect(resolveFeature(ageless, row(5, NOW_US), NOW_US)).toMatchObject({ status: 'PRESENT', eventTsUs: 0n });
  });

  it('says when the row was true, and nothing where there is none', () => {
    expect(resolveFeature(WITH_DEFAULT, READ.old, NOW_US).eventTsUs).toBe(NOW_US - MAX_AGE_US - 1n);
    expect(resolveFeature(WITH_DEFAULT, READ.late, NOW_US)).not.toHaveProperty('eventTsUs');
    expect(resolveFeature(WITH_DEFAULT, READ.nothing, NOW_US)).not.toHaveProperty('eventTsUs');
  });

  it('takes false, zero and the empty text for values', () => {
    for (const value of [false, 0, 0n, '']) {
      expect(resolveFeature(WITH_DEFAULT, row(value), NOW_US)).toMatchObject({ status: 'PRESENT', value });
    }
  });
});

describe(wantedOf.name, () => {
  const feature = {
    name: 'amount',
    dtype: 'FP32',
    onMissing: 'error',
    onStale: 'missing',
    onTimeout: 'error',
  } as const;
  const view: FeatureView = {
    name: 'v',
    version: 1,
    entities: [],
    maxAgeUs: MAX_AGE_US,
    features: [feature],
    retention: {},
    contentHash: '',
  };

  it('has what the view says, where nobody else does', () => {
    expect(wantedOf(view, feature)).toEqual(WITHOUT);
  });

  it('lets whoever wants it decide', () => {
    const overrides = { onMissing: 'nan', onStale: 'serve', onTimeout: 'defaults' } as const;
    expect(wantedOf(view, feature, overrides)).toMatchObject(overrides);
    expect(wantedOf(view, feature, { default: 1 })).toEqual(WITH_DEFAULT);
    expect(wantedOf(view, feature, { default: 1, onMissing: 'error' })).toMatchObject({
      onMissing: 'error',
      default: 1,
    });
  });
});
