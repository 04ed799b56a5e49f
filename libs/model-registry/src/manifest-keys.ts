import { column, inputOptions } from './column-keys';
import type { FieldRule, Manifest, VersionPolicy } from './manifest';
import { type Key, fields } from './manifest-key';
import { flag, integer, listOf, mapOf, number, oneOf, record, text, versionName, wrong } from './manifest-values';
import { TASKS } from './task-name';

/** Seconds that a result is kept where nothing is said. */
export const DEFAULT_TTL_S = 300;

const CACHE_KEYS = {
  ttl_s: { read: integer(1, 86_400), takes: '1 to 86400', default: '300', says: 'Seconds that a result is kept.' },
} satisfies Record<string, Key<unknown>>;

/** Every key of `model.yaml`: the one source of its reading and of `docs/model-manifest.md`. */
export const MANIFEST_KEYS = {
  task: {
    read: oneOf(TASKS),
    takes: TASKS.map((task) => `\`${task}\``).join(', '),
    default: 'decided from the files',
    says: 'What the model does.',
  },
  description: {
    read: text,
    takes: 'text',
    default: 'none',
    says: 'A sentence for people, shown by `GET /v1/models/{model}`.',
  },
  versions: {
    read: policy,
    takes: '`all`, `{ latest: N }`, `{ specific: ["3", "1.4.0"] }`',
    default: '`{ latest: 1 }`',
    says: 'Which versions are served: all, the newest N, or those named.',
    modelOnly: true,
  },
  labels: {
    read: labels,
    takes: '`{ label: "version" }`',
    default: 'none',
    says: 'Names that stand wherever a version may stand; a labelled version is served too.',
    modelOnly: true,
  },
  pinned: {
    read: flag,
    takes: 'true, false',
    default: 'false',
    says: 'Load at start, never evict, and be ready only once it is loaded.',
  },
  'batching.mode': {
    read: oneOf(['auto', 'off'] as const),
    takes: '`auto`, `off`',
    default: '`auto`',
    says: 'Whether rows of several requests may run together, where that changes no answer.',
  },
  'batching.max_rows': {
    read: maxRows,
    takes: '`auto`, 1 to 1024',
    default: '`auto`',
    says: 'Most rows that run together; `auto` finds the number that is fastest, up to 64.',
  },
  'batching.max_tokens': {
    read: integer(1, 10_000_000),
    takes: '1 to 10000000',
    default: '16384',
    says: 'Most tokens that run together: rows times the longest. A text that alone has more is cut to them as to `text.max_tokens`, or refused with `context_length_exceeded` where it may not be cut. Text models only.',
  },
  'batching.delay_ms': {
    read: integer(0, 1000),
    takes: '0 to 1000',
    default: '0',
    says: 'Milliseconds that an incomplete batch may be held back for more, while an executor is idle and requests come fast.',
  },
  'batching.tolerance': {
    read: number(0, 1),
    takes: '0 to 1',
    default: '0.0001',
    says: 'How far an answer may be from what it would be alone, relative for numbers over 1; 0 wants equal bits.',
  },
  'execution.threads': { read: integer(1, 64), takes: '1 to 64', default: '1', says: 'Threads of one run.' },
  'execution.instances': {
    read: instances,
    takes: '`auto`, 1 to 64',
    default: '`auto`',
    says: 'Most copies in memory, one per executor; `auto` adds one when work waits and an executor is idle.',
  },
  'execution.hard_timeout_ms': {
    read: integer(100, 3_600_000),
    takes: '100 to 3600000',
    default: '30000',
    says: 'Milliseconds after which a run is killed together with its process.',
  },
  cache: {
    read: cache,
    takes: '`{ ttl_s: 1 to 86400 }`, `false`',
    default: '`{ ttl_s: 300 }`',
    says: 'Seconds that a result may be given again to an equal request; `false` for a model that answers equal requests differently.',
  },
  deadline_ms: {
    read: integer(1, 3_600_000),
    takes: '1 to 3600000',
    default: "the server's",
    says: 'Milliseconds that a request may take, where shorter than the server allows.',
  },
  'text.max_tokens': {
    read: integer(1, 1_000_000),
    takes: '1 to 1000000',
    default: 'from the config files',
    says: 'Most tokens of one text, special tokens included. The smallest value wins.',
  },
  'text.pooling': {
    read: oneOf(['mean', 'cls', 'none'] as const),
    takes: '`mean`, `cls`, `none`',
    default: '`mean` where the output has a vector per token, else `none`',
    says: 'How an embedding comes from token vectors; `none` when the model pools itself.',
  },
  'text.dimensions': {
    read: listOf(integer(1, 1_000_000)),
    takes: 'a list of whole numbers',
    default: 'none',
    says: 'Lengths that an embedding may be cut to.',
  },
  'text.classes': {
    read: listOf(text),
    takes: 'a list of texts',
    default: '`id2label` of config.json',
    says: 'Class names by index.',
  },
  'text.multi_label': {
    read: flag,
    takes: 'true, false',
    default: '`problem_type` of config.json',
    says: 'Independent classes (sigmoid) instead of exclusive ones (softmax).',
  },
  'text.probabilities': {
    read: flag,
    takes: 'true, false',
    default: 'false',
    says: "The classifier's output is already probabilities.",
  },
  entities: {
    read: mapOf(requestField),
    takes: '`{ entity: request.<field> }`',
    default: 'none',
    says: "The request's fields that stored features are looked up by.",
  },
  'tabular.columns': {
    read: listOf(column),
    takes: 'a list of names or columns',
    default: "the inputs' names",
    says: 'The columns of a row, in the order of the model.',
  },
  'tabular.classes': {
    read: listOf(text),
    takes: 'a list of texts',
    default: "`classes` in the ONNX file's metadata",
    says: 'Class names by index, for the columns of the probabilities.',
  },
  inputs: {
    read: mapOf(inputOptions),
    takes: 'options by input name',
    default: 'none',
    says: 'How JSON becomes elements, for models whose inputs are tensors.',
  },
  'log.payload': {
    read: oneOf(['full', 'features', 'outputs', 'none'] as const),
    takes: '`full`, `features`, `outputs`, `none`',
    default: '`full`',
    says: 'What the prediction log keeps: inputs, features and outputs; features and outputs; outputs; or none of them.',
  },
  'log.sampling_rate': {
    read: number(0, 1),
    takes: '0 to 1',
    default: '1',
    says: 'Share of the predictions that is logged. Those that failed, are degraded or not finite always are.',
  },
  'log.sampling_key': {
    read: text,
    takes: 'the name of a field',
    default: 'none: each by itself',
    says: 'The field of a row whose value decides: rows with equal values are all logged, or none of them.',
  },
  'log.fields': {
    read: mapOf(fieldRule),
    takes: '`keep`, `drop`, `mask`, `hash`, `truncate(N)` by field',
    default: 'all are kept',
    says: 'What becomes of a field of the input or the output, at whatever depth, before it is logged.',
  },
  sha256: {
    read: mapOf(sha256),
    takes: 'a hash by file name',
    default: 'none',
    says: 'SHA-256 in hex that a file must have.',
  },
} satisfies Record<string, Key<unknown>>;

function labels(value: unknown, at: string): Readonly<Record<string, string>> {
  const found = mapOf(versionName)(value, at);
  for (const label of Object.keys(found)) versionName(label, `${at}.${label}`);
  return found;
}

function policy(value: unknown, at: string): VersionPolicy {
  if (value === 'all') return 'all';
  const entries = Object.entries(typeof value === 'string' ? {} : record(value, at));
  const [key, content] = entries[0] ?? [];
  if (entries.length === 1 && key === 'latest') return { latest: integer(1, 1000)(content, `${at}.latest`) };
  if (entries.length === 1 && key === 'specific') return { specific: listOf(versionName)(content, `${at}.specific`) };
  throw wrong(at, 'all, { latest: N } or { specific: ["3"] }');
}

function instances(value: unknown, at: string): number | 'auto' {
  return value === 'auto' ? value : integer(1, 64)(value, at);
}

function maxRows(value: unknown, at: string): number | 'auto' {
  return value === 'auto' ? value : integer(1, 1024)(value, at);
}

function sha256(value: unknown, at: string): string {
  if (typeof value !== 'string' || !/^[0-9a-fA-F]{64}$/.test(value)) throw wrong(at, '64 hex digits, in quotes');
  return value.toLowerCase();
}

function fieldRule(value: unknown, at: string): FieldRule {
  const [, length] = /^truncate\((\d{1,4})\)$/.exec(String(value)) ?? [];
  if (length !== undefined) return { truncate: Number(length) };
  if (value === 'keep' || value === 'drop' || value === 'mask' || value === 'hash') return value;
  throw wrong(at, 'one of keep, drop, mask, hash, truncate(N) with N up to 9999');
}

function cache(value: unknown, at: string): Manifest['cache'] {
  if (value === false) return false;
  const { ttl_s = DEFAULT_TTL_S } = fields(CACHE_KEYS, value, at);
  return { ttlMs: ttl_s * 1000 };
}

/** `request.applicant_id`: the field of a request, without the prefix. */
function requestField(value: unknown, at: string): string {
  const [, field] = typeof value === 'string' ? (/^request\.(.+)$/.exec(value) ?? []) : [];
  if (field === undefined) throw wrong(at, 'request.<field>');
  return field;
}
