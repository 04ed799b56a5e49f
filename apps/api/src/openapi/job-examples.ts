import type { Example } from './examples';

const ID = 'job_0198c2f17c3a7d529a415f0e4a6b2c11';
const DIGEST = 'sha256:6f1e0c0f5c6b9b0f7d9f1d3c2f8a6b5e4d3c2b1a09f8e7d6c5b4a39281706f5e';

const submitted = {
  id: ID,
  object: 'job',
  status: 'queued',
  version: 2,
  attempt: 1,
  priority: 'normal',
  model: { name: 'banking-intents', version: '1', digest: DIGEST },
  metadata: { team: 'support' },
  counts: { total: 2, succeeded: 0, failed: 0, remaining: 2 },
  progress: { percent: 0, rows_per_second: null, eta_seconds: 1 },
  created_at: '2026-11-24T10:15:30.123Z',
  started_at: null,
  finished_at: null,
  deadline_at: null,
  results_expire_at: null,
  error: null,
  sample_errors: [],
  links: { self: `/v1/jobs/${ID}`, results: `/v1/jobs/${ID}/results` },
};

const running = {
  ...submitted,
  status: 'running',
  version: 17,
  counts: { total: 1_000_000, succeeded: 412_000, failed: 12, remaining: 587_988 },
  progress: { percent: 41.2, rows_per_second: 8200, eta_seconds: 72 },
  started_at: '2026-11-24T10:15:30.456Z',
  sample_errors: [{ index: 77, id: 'r77', error: { code: 'invalid_input', message: 'rows[0].text must be a text.' } }],
};

const cancelling = { ...running, status: 'cancelling', version: 18 };

const line = {
  index: 12,
  id: 'r12',
  output: {
    predictions: [{ label: 'card_arrival', score: 0.98, metadata: { index: 12, tokens: 13, truncated: false } }],
  },
};

/** Answers about jobs. They show what there may be: which jobs there are depends on what was submitted. */
export const JOB_EXAMPLES = {
  submitJob: {
    job: {
      summary: 'Two texts, of which each gets its best class',
      request: {
        model: 'banking-intents',
        rows: [{ text: 'Where is my card?' }, { text: 'I lost my phone' }],
        options: { top_k: 1 },
        metadata: { team: 'support' },
      },
      answer: submitted,
    },
  },
  listJobs: { page: { summary: 'The newest job', answer: { object: 'list', data: [running], next_cursor: ID } } },
  describeJob: { job: { summary: 'A job of a million rows, on its way', answer: running } },
  readJobResults: { line: { summary: 'One line', answer: line } },
  cancelJob: { job: { summary: 'Some rows still run', answer: cancelling } },
  retryJob: {
    job: {
      summary: 'Twelve rows run again',
      answer: {
        ...running,
        status: 'queued',
        version: 130,
        attempt: 2,
        counts: { total: 1_000_000, succeeded: 999_988, failed: 0, remaining: 12 },
        progress: { percent: 99.9, rows_per_second: null, eta_seconds: 1 },
        started_at: null,
        sample_errors: [],
      },
    },
  },
  deleteJob: { job: { summary: 'It is gone', answer: { id: ID, object: 'job', deleted: true } } },
  listDeadChunks: {
    page: {
      summary: 'One that killed every worker that took it',
      answer: {
        object: 'list',
        data: [{ job_id: ID, index: 3, first_row: 3000, rows: 1000, failures: 0, crashes: 8, last_error: null }],
        next_cursor: null,
      },
    },
  },
} as const satisfies Record<string, Readonly<Record<string, Example>>>;
