/** A request to a model of the default install, and the answer that it gets. */
export interface Example {
  readonly summary: string;
  /** The `{model}` of the path. */
  readonly model?: string;
  readonly request?: unknown;
  readonly answer: unknown;
}

const applicant = {
  checking_status: 'no_checking_account',
  duration_months: 18,
  credit_history: 'critical_or_other_credits',
  purpose: 'education',
  amount: 1864,
  savings: '100_to_500',
  employment: '1_to_4_years',
  installment_rate: 4,
  other_debtors: 'none',
  residence_years: 2,
  property: 'real_estate',
  age: 30,
  other_installment_plans: 'none',
  housing: 'own',
  existing_credits: 2,
  job: 'skilled',
  dependants: 1,
  telephone: 'none',
};

/** The same applicant as columns of shape [1, 1]. */
const columns = Object.fromEntries(Object.entries(applicant).map(([name, value]) => [name, [[value]]]));

const ready = (name: string): object => ({ name, version: '1', state: 'ready', pinned: true, reason: '' });

const probe = {
  status: 'ready',
  models: ['banking-intents', 'credit-risk', 'minilm'].map(ready),
  components: { models: { status: 'up', reason: '' }, executors: { status: 'up', reason: '' } },
};

/** By operation and name. A test sends every request and compares the answer, times and the last digits of numbers apart. */
export const EXAMPLES = {
  predict: {
    intent: {
      summary: 'What a customer of a bank wants',
      request: { text: 'My card has not arrived yet, where is it?', model_id: 'banking-intents', top_k: 2 },
      answer: {
        predictions: [
          { label: 'card_arrival', score: 0.9809835669206638, metadata: { index: 12, tokens: 13, truncated: false } },
          {
            label: 'get_physical_card',
            score: 0.006945090842462171,
            metadata: { index: 39, tokens: 13, truncated: false },
          },
        ],
        latency_ms: 3.412,
        model_version: '1',
      },
    },
    certain: {
      summary: 'Only the best class',
      request: { text: 'I lost my phone', model_id: 'banking-intents', top_k: 1, temperature: 0 },
      answer: {
        predictions: [
          { label: 'lost_or_stolen_phone', score: 1, metadata: { index: 43, tokens: 6, truncated: false } },
        ],
        latency_ms: 2.961,
        model_version: '1',
      },
    },
  },
  embed: {
    sentence: {
      summary: 'A sentence; the first 4 of the 384 numbers are shown',
      request: { text: 'The weather is lovely today.', model_id: 'minilm' },
      answer: {
        embeddings: [[0.0182209312915802, 0.11918619275093079, 0.1586623340845108, 0.06655487418174744]],
        dimensions: 384,
        usage: { tokens: 8, truncated: 0 },
        latency_ms: 5.204,
        model_version: '1',
      },
    },
  },
  predictModel: {
    texts: {
      summary: '`banking-intents@1`: two texts, row by row',
      model: 'banking-intents@1',
      request: { rows: [{ text: 'Where is my card?' }, { text: 'I lost my phone' }], options: { top_k: 1 } },
      answer: {
        rows: [
          {
            predictions: [
              {
                label: 'card_arrival',
                score: 0.30922628445083994,
                metadata: { index: 12, tokens: 7, truncated: false },
              },
            ],
          },
          {
            predictions: [
              {
                label: 'lost_or_stolen_phone',
                score: 0.9961295753028017,
                metadata: { index: 43, tokens: 6, truncated: false },
              },
            ],
          },
        ],
        model: 'banking-intents',
        model_version: '1',
        latency_ms: 3.87,
      },
    },
    applicant: {
      summary: '`credit-risk`: one applicant as a row',
      model: 'credit-risk',
      request: { rows: [applicant] },
      answer: {
        rows: [
          {
            label: 'good',
            score: 0.8761565685272217,
            probabilities: { bad: 0.12384343147277832, good: 0.8761565685272217 },
          },
        ],
        model: 'credit-risk',
        model_version: '1',
        latency_ms: 1.733,
      },
    },
    columns: {
      summary: '`credit-risk`: the same applicant as inputs of shape [1, 1]',
      model: 'credit-risk',
      request: { inputs: columns, outputs: ['probabilities'] },
      answer: {
        outputs: { probabilities: [[0.12384343147277832, 0.8761565685272217]] },
        model: 'credit-risk',
        model_version: '1',
        latency_ms: 1.655,
      },
    },
  },
  describeModel: {
    embedding: {
      summary: '`minilm`',
      model: 'minilm',
      answer: {
        id: 'minilm',
        object: 'model',
        created: 1795553853,
        owned_by: 'quayside',
        task: 'embedding',
        task_reason: 'Named by model.yaml.',
        state: 'ready',
        reason: '',
        versions: [{ version: '1', state: 'ready', reason: '', served: true }],
        labels: {},
        default_version: '1',
        inputs: [
          { name: 'input_ids', datatype: 'INT64', shape: [-1, -1] },
          { name: 'attention_mask', datatype: 'INT64', shape: [-1, -1] },
          { name: 'token_type_ids', datatype: 'INT64', shape: [-1, -1] },
        ],
        outputs: [{ name: 'last_hidden_state', datatype: 'FP32', shape: [-1, -1, 384] }],
      },
    },
  },
  probe: { ready: { summary: 'Everything works', answer: probe } },
  describeServer: {
    server: {
      summary: 'Where things are',
      answer: {
        name: 'quayside',
        version: '0.1.0',
        docs: '/docs',
        openapi: '/openapi.json',
        models: '/v1/models',
        health: '/health',
      },
    },
  },
} as const satisfies Record<string, Readonly<Record<string, Example>>>;
