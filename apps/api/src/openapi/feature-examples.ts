import type { Example } from './examples';

const HASH = '5b9c2f8a1d3e47f6a0b8c9d2e1f30415263748596a7b8c9d0e1f2a3b4c5d6e7f';
const MOMENT = '2026-01-05T08:00:00Z';

const stored = {
  name: 'applicant_profile',
  entities: [{ name: 'applicant_id', dtype: 'STRING' }],
  rows: 200,
  newest_event_ts: '2026-06-29T11:00:00Z',
};

const view = { ...stored, versions: [{ version: 1, content_hash: HASH, models: ['credit-risk@1'] }] };

const feature = (name: string, dtype: string): object => ({
  name,
  dtype,
  on_missing: 'error',
  on_stale: 'missing',
  on_timeout: 'error',
  shape: null,
  default: null,
  pii: 'keep',
});

const found = (name: string, value: unknown, place: string): object => ({
  name,
  value,
  status: 'PRESENT',
  reason: null,
  refusal: null,
  source: 'store',
  event_ts: MOMENT,
  view: 'applicant_profile@1',
  feature: place,
});

const absent = { status: 'NOT_FOUND', reason: null, refusal: 'feature_missing', source: 'store', event_ts: null };

/** Answers about stored features. They show what there may be: what is stored depends on what was pushed before. */
export const FEATURE_EXAMPLES = {
  queryFeatures: {
    features: {
      summary: 'Two features of an applicant who is known and of one who is not',
      request: {
        features: ['applicant_profile@1:savings', 'applicant_profile@1:age'],
        rows: [{ applicant_id: 'a-1001' }, { applicant_id: 'nobody' }],
      },
      answer: {
        rows: [
          {
            entity_keys: ['["a-1001"]'],
            features: [
              found('applicant_profile@1:savings', '100_to_500', 'savings'),
              found('applicant_profile@1:age', '30', 'age'),
            ],
          },
          {
            entity_keys: ['["nobody"]'],
            features: ['savings', 'age'].map((name) => ({
              name: `applicant_profile@1:${name}`,
              value: null,
              ...absent,
              view: 'applicant_profile@1',
              feature: name,
            })),
          },
        ],
        model: null,
        model_version: null,
      },
    },
    model: {
      summary: 'What `credit-risk` would see, without statuses and sources; two of its columns are shown',
      request: { model: 'credit-risk', rows: [{ applicant_id: 'a-1001', amount: 1864 }], include: ['event_ts'] },
      answer: {
        rows: [
          {
            entity_keys: ['["a-1001"]'],
            features: [
              { name: 'checking_status', value: 'no_checking_account', event_ts: MOMENT },
              { name: 'amount', value: 1864, event_ts: null },
            ],
          },
        ],
        model: 'credit-risk',
        model_version: '1',
      },
    },
  },
  listFeatureViews: { views: { summary: 'The view of the default install', answer: { object: 'list', data: [view] } } },
  describeFeatureView: { view: { summary: 'The view of `credit-risk`', answer: view } },
  describeFeatureViewVersion: {
    version: {
      summary: 'The version that `credit-risk` pins; two of its features are shown',
      answer: {
        ...stored,
        version: 1,
        content_hash: HASH,
        max_age: null,
        features: [feature('age', 'INT64'), feature('checking_status', 'STRING')],
        retention: { online: null, history: null },
        owner: null,
        description: 'What a bank knows of an applicant before a loan is asked for.',
        models: ['credit-risk@1'],
      },
    },
  },
  pushFeatureRows: {
    push: {
      summary: 'A profile of one applicant, and one that lacks its zone',
      request: {
        rows: [
          { entities: { applicant_id: 'a-2001' }, event_ts: MOMENT, features: { savings: '100_to_500', age: 44 } },
          { entities: { applicant_id: 'a-2002' }, event_ts: '2026-01-05T08:00:00', features: { age: 45 } },
        ],
        mode: 'partial',
        push_id: '0198c2f1-7c3a-7d52-9a41-5f0e4a6b2c11',
      },
      answer: {
        push_id: '0198c2f1-7c3a-7d52-9a41-5f0e4a6b2c11',
        written: 1,
        skipped_older: 0,
        rejected: [
          {
            index: 1,
            details: [
              {
                field: 'rows[1].event_ts',
                code: 'timezone_required',
                message: 'rows[1].event_ts must name its time zone: end it with Z or an offset such as +05:30.',
              },
            ],
          },
        ],
      },
    },
  },
  eraseFeatureEntity: { erased: { summary: 'It had been pushed twice', answer: { online: 1, history: 2 } } },
} as const satisfies Record<string, Readonly<Record<string, Example>>>;
