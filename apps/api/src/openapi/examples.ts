import { MINILM_STATISTICS } from './statistics-example';

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

/** How a model of the default install is described. */
interface DescribedModel {
  readonly task: string;
  readonly description: string;
  readonly inputs: unknown;
  readonly outputs: unknown;
}

const described = (id: string, { task, description, ...tensors }: DescribedModel) => ({
  id,
  object: 'model',
  created: 1795553853,
  owned_by: 'quayside',
  description,
  task,
  task_reason: 'Named by model.yaml.',
  state: 'ready',
  reason: '',
  versions: [{ version: '1', state: 'ready', reason: '', served: true }],
  labels: {},
  default_version: '1',
  ...tensors,
});

const tensor = (name: string, datatype: string, shape: readonly number[]) => ({ name, datatype, shape });

const minilm = described('minilm', {
  task: 'embedding',
  description:
    'Sentence embeddings of 384 numbers (all-MiniLM-L6-v2), for search, clustering and similarity in English.',
  inputs: ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => tensor(name, 'INT64', [-1, -1])),
  outputs: [tensor('last_hidden_state', 'FP32', [-1, -1, 384])],
});

const bankingIntents = described('banking-intents', {
  task: 'text-classification',
  description: "Sorts a bank customer's question into one of 77 intents.",
  inputs: ['input_ids', 'attention_mask'].map((name) => tensor(name, 'INT64', [-1, -1])),
  outputs: [tensor('logits', 'FP32', [-1, 77])],
});

const creditRisk = described('credit-risk', {
  task: 'tabular',
  description: 'Rates a loan request as a good or a bad risk, from 18 columns.',
  inputs: Object.entries(applicant).map(([name, value]) => {
    const numeric = name === 'amount' ? 'FP32' : 'INT64';
    return tensor(name, typeof value === 'string' ? 'BYTES' : numeric, [-1, 1]);
  }),
  outputs: [tensor('label', 'BYTES', [-1]), tensor('probabilities', 'FP32', [-1, 2])],
});

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

const minilmSchemas = {
  row: {
    $schema: DIALECT,
    ...{
      type: 'object',
      properties: { text: { type: 'string', minLength: 1, maxLength: 100000 } },
      required: ['text'],
      additionalProperties: false,
      examples: [{ text: 'The weather is lovely today.' }],
    },
  },
  inputs: {
    $schema: DIALECT,
    ...{
      type: 'object',
      properties: {
        text: {
          anyOf: [
            { type: 'array', items: { type: 'string', minLength: 1, maxLength: 100000 }, minItems: 1, maxItems: 2048 },
            { type: 'string', minLength: 1, maxLength: 100000 },
          ],
        },
      },
      required: ['text'],
      additionalProperties: false,
      examples: [{ text: ['The weather is lovely today.'] }],
    },
  },
  row_output: {
    $schema: DIALECT,
    ...{
      type: 'object',
      properties: { embedding: { type: 'array', items: { type: 'number' }, minItems: 384, maxItems: 384 } },
      required: ['embedding'],
      additionalProperties: false,
    },
  },
  outputs: {
    $schema: DIALECT,
    ...{
      type: 'object',
      properties: {
        embedding: {
          anyOf: [
            { type: 'array', items: { type: 'array', items: { type: 'number' }, minItems: 384, maxItems: 384 } },
            { type: 'array', items: { type: 'number' }, minItems: 384, maxItems: 384 },
          ],
        },
      },
      required: ['embedding'],
      additionalProperties: false,
    },
  },
  options: {
    $schema: DIALECT,
    ...{
      type: 'object',
      properties: {
        normalize: { type: 'boolean', default: true, description: 'Scale the embedding to Euclidean length 1.' },
        truncate: {
          type: 'boolean',
          default: true,
          description: 'Cut a text that is longer than the model reads, or refuse it.',
        },
        int64: {
          enum: ['auto', 'string', 'number'],
          default: 'auto',
          description:
            'How 64-bit integers are written. auto: numbers where all of a tensor are safe integers, else strings.',
        },
        nonfinite: {
          enum: ['string', 'null', 'error'],
          default: 'string',
          description: 'How NaN and the infinities are written; error answers non_finite_output.',
        },
        cache: {
          type: 'boolean',
          default: true,
          description: 'Whether the answer may be that of an equal request, and may be kept for the next one.',
        },
      },
      additionalProperties: false,
    },
  },
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
  listModels: {
    all: {
      summary: 'The models of the default install',
      answer: { object: 'list', data: [bankingIntents, creditRisk, minilm] },
    },
  },
  describeModel: {
    embedding: {
      summary: '`minilm` under load; one size of batches and one kind of rows are shown',
      model: 'minilm',
      answer: { ...minilm, statistics: MINILM_STATISTICS },
    },
  },
  describeModelSchema: {
    embedding: {
      summary: '`minilm`',
      model: 'minilm',
      answer: { model: 'minilm', model_version: '1', task: 'embedding', schemas: minilmSchemas },
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
