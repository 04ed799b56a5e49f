import { Ajv, type ErrorObject } from 'ajv';
import { DURATION_PATTERN } from './duration';

/** Most features of one version, and most join keys. */
export const FEATURE_LIMIT = 1000;
const ENTITY_LIMIT = 8;

/** What names views, join keys and features; two underscores part a view from its feature in Feast's answers. */
const NAME = { type: 'string', pattern: '^(?!.*__)[A-Za-z][A-Za-z0-9_]{0,63}$' } as const;
const TEXT = { type: 'string', maxLength: 1000 } as const;
const DURATION = { type: 'string', pattern: DURATION_PATTERN } as const;

const KEY_DTYPES = [
  ...['BOOL', 'INT8', 'INT16', 'INT32', 'INT64', 'UINT8', 'UINT16', 'UINT32', 'UINT64'],
  ...['BYTES', 'STRING', 'TIMESTAMP'],
];

const ENTITY = {
  type: 'object',
  required: ['name', 'dtype'],
  additionalProperties: false,
  properties: { name: NAME, dtype: { enum: KEY_DTYPES } },
} as const;

const FEATURE = {
  type: 'object',
  required: ['name', 'dtype'],
  additionalProperties: false,
  properties: {
    name: NAME,
    dtype: { enum: [...KEY_DTYPES, 'FP16', 'FP32', 'FP64'] },
    shape: { type: 'array', minItems: 1, maxItems: 4, items: { type: 'integer', minimum: 1, maximum: 65_536 } },
    // Judged by its dtype afterwards.
    default: {},
    on_missing: { enum: ['default', 'error', 'nan'] },
    on_stale: { enum: ['missing', 'default', 'serve', 'error'] },
    on_timeout: { enum: ['error', 'defaults'] },
    pii: { type: 'string', pattern: '^(keep|drop|mask|hash|truncate\\([1-9][0-9]{0,5}\\))$' },
  },
} as const;

/** What one YAML document may say: the one schema of a feature view. */
export const FEATURE_VIEW_SCHEMA = {
  type: 'object',
  required: ['kind', 'name', 'version', 'entities', 'features'],
  additionalProperties: false,
  properties: {
    kind: { const: 'FeatureView' },
    name: NAME,
    version: { type: 'integer', minimum: 1, maximum: 1_000_000 },
    entities: { type: 'array', minItems: 1, maxItems: ENTITY_LIMIT, items: ENTITY },
    max_age: DURATION,
    // Feast's word for it.
    ttl: DURATION,
    features: { type: 'array', minItems: 1, maxItems: FEATURE_LIMIT, items: FEATURE },
    retention: {
      type: 'object',
      additionalProperties: false,
      properties: { online: DURATION, history: DURATION },
    },
    owner: TEXT,
    description: TEXT,
  },
} as const;

/** A document that fits the schema. */
export interface ViewDocument {
  readonly name: string;
  readonly version: number;
  readonly entities: readonly { readonly name: string; readonly dtype: string }[];
  readonly max_age?: string;
  readonly ttl?: string;
  readonly features: readonly FeatureDocument[];
  readonly retention?: { readonly online?: string; readonly history?: string };
  readonly owner?: string;
  readonly description?: string;
}

/** A feature as its author wrote it. */
export interface FeatureDocument {
  readonly name: string;
  readonly dtype: string;
  readonly shape?: readonly number[];
  readonly default?: unknown;
  readonly on_missing?: string;
  readonly on_stale?: string;
  readonly on_timeout?: string;
  readonly pii?: string;
}

const validate = new Ajv({ allErrors: true }).compile<ViewDocument>(FEATURE_VIEW_SCHEMA);

/** Everything in which a document does not fit the schema, a sentence each; empty when it is a `ViewDocument`. */
export function schemaFaults(document: unknown): string[] {
  return validate(document) ? [] : (validate.errors ?? []).map(sentence);
}

function sentence({ instancePath, keyword, params, message }: ErrorObject): string {
  const at =
    instancePath
      .slice(1)
      .replaceAll(/\/(\d+)/g, '[$1]')
      .replaceAll('/', '.') || 'the document';
  if (keyword === 'additionalProperties') return `${at} has an unknown key "${String(params['additionalProperty'])}"`;
  if (keyword === 'required') return `${at} lacks "${String(params['missingProperty'])}"`;
  if (keyword === 'enum') return `${at} must be one of ${(params['allowedValues'] as string[]).join(', ')}`;
  if (keyword === 'const') return `${at} must be ${String(params['allowedValue'])}`;
  if (params['pattern'] === DURATION_PATTERN) return `${at} must be a duration such as 7d, 12h, 30m, 10s or 500ms`;
  if (params['pattern'] === NAME.pattern) return `${at} must be a name: a letter, then letters, digits and single "_"`;
  return `${at} ${message ?? 'does not fit'}`;
}
