import type { Example } from './examples';

const call = {
  id: '0198c2f1-7c3a-7d52-9a41-5f0e4a6b2c11',
  created_at: '2026-11-24T10:15:30.123Z',
  model: 'credit-risk',
  model_version: '1',
  digest: 'sha256:6f1e0c0f5c6b9b0f7d9f1d3c2f8a6b5e4d3c2b1a09f8e7d6c5b4a39281706f5e',
  door: 'model-predict',
  status: 'ok',
  error_code: null,
  request_id: '0198c2f1-7c39-7e11-8a3f-0c2d4e6f8a1b',
  trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  timings: { queue_ms: 0.21, enrich_ms: 1.8, infer_ms: 0.6, total_ms: 3.1 },
  batch_size: 1,
  cache: 'miss',
  degraded: false,
};

const outcome = { number: null, label: 'good', score: 0.8761565685272217 };

/** Answers about logged predictions. They show what there may be: which there are depends on what was asked before. */
export const PREDICTION_EXAMPLES = {
  listPredictions: {
    page: {
      summary: 'The newest prediction of `credit-risk`',
      answer: {
        object: 'list',
        data: [{ ...call, index: 0, prediction: outcome, sampling_rate: 1, flags: [] }],
        next_cursor: '0198c2f1-7c3a-7d52-9a41-5f0e4a6b2c11.0',
      },
    },
  },
  describePrediction: {
    lineage: {
      summary: 'A prediction of `credit-risk`; two of its columns are shown',
      answer: {
        ...call,
        instances: [
          {
            index: 0,
            inputs: { duration_months: 18, amount: 1864 },
            outputs: {
              label: 'good',
              score: 0.8761565685272217,
              probabilities: { bad: 0.12384343147277832, good: 0.8761565685272217 },
            },
            features: [
              {
                name: 'amount',
                value: 1864,
                source: 'request',
                status: null,
                reason: null,
                view: null,
                feature: null,
                event_ts: null,
              },
              {
                name: 'savings',
                value: '100_to_500',
                source: 'store',
                status: 'PRESENT',
                reason: null,
                view: 'applicants@1',
                feature: 'savings',
                event_ts: '2026-11-01T00:00:00Z',
              },
            ],
            entity_keys: ['applicants:["1042"]'],
            prediction: outcome,
            sampling_rate: 1,
            flags: [],
          },
        ],
      },
    },
  },
  erasePrediction: { erased: { summary: 'It had one row', answer: { erased: 1 } } },
  erasePredictionsOfEntity: { erased: { summary: 'Three rows were of it', answer: { erased: 3 } } },
  describePredictionLog: {
    books: {
      summary: 'Everything was written',
      answer: {
        process: 1,
        written: 18231,
        dropped: { queue_full: 0, shutdown: 0, unencodable: 0, off: 0 },
        rejected: 0,
        sampled_out: 0,
        failed_flushes: 0,
        flushes: 214,
        flush_seconds: 1.9,
        queue: { rows: 12, bytes: 9120, oldest_age_ms: 81.5 },
      },
    },
  },
} as const satisfies Record<string, Readonly<Record<string, Example>>>;
