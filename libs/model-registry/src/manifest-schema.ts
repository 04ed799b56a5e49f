import { DTYPES, isQuaysideError } from '@app/core';
import { parseDocument } from 'yaml';
import type { ColumnSettings, FieldRule, InputOptions, Manifest, VersionPolicy } from './manifest';
import {
  type Reader,
  flag,
  integer,
  listOf,
  mapOf,
  number,
  oneOf,
  record,
  scalar,
  text,
  versionName,
  wrong,
} from './manifest-values';
import { TASKS } from './task-name';
import { unfit } from './unfit';

interface Key<T> {
  readonly read: Reader<T>;
  /** What may be written, for people. */
  readonly takes: string;
  readonly default: string;
  readonly says: string;
  /** Set for keys that concern the model as a whole and so stand in its own file only. */
  readonly modelOnly?: true;
}

/** How JSON becomes elements of an input: the keys under `inputs.<name>`, and those of a column. */
const INPUT_KEYS = {
  coerce: { read: flag, takes: 'true, false', default: 'false', says: 'Take 0 and 1 for a boolean.' },
  null_as_nan: { read: flag, takes: 'true, false', default: 'false', says: 'Take null as NaN in floats.' },
  on_non_finite: {
    read: oneOf(['accept', 'reject'] as const),
    takes: '`accept`, `reject`',
    default: '`accept`',
    says: 'What to do with NaN and infinities.',
  },
} satisfies Record<string, Key<unknown>>;

const COLUMN_KEYS = {
  name: { read: text, takes: 'text', default: 'required', says: 'The name that requests use.' },
  default: {
    read: scalar,
    takes: 'text, number, true, false',
    default: 'none: the column is required',
    says: 'What an absent column becomes.',
  },
  from: {
    read: text,
    takes: '`request.<field>`, `feature:<view>@<version>:<feature>`, `transform:<name>@1(…)`, `const:<value>`',
    default: '`request.<name>`',
    says: 'Where the value comes from.',
  },
  override: {
    read: oneOf(['request'] as const),
    takes: '`request`',
    default: 'none: a request that has the column is refused',
    says: 'Whether a request may give the value itself, where `from` names another source.',
  },
  dtype: {
    read: oneOf([...DTYPES, 'STRING', 'TIMESTAMP'] as const),
    takes: 'an Open Inference Protocol type, `STRING`, `TIMESTAMP`',
    default: "the feature's, else the input's",
    says: "What a request's value is read as, before it is cast to what the model takes.",
  },
  cast: {
    read: oneOf(['exact', 'round'] as const),
    takes: '`exact`, `round`',
    default: 'neither',
    says: 'Also take floats for whole numbers where they are whole (`exact`), or round whole numbers that a float cannot hold (`round`).',
  },
  on_missing: {
    read: oneOf(['default', 'error', 'nan'] as const),
    takes: '`default`, `error`, `nan`',
    default: "the feature's",
    says: 'What to do about a stored value that is not there.',
  },
  on_stale: {
    read: oneOf(['missing', 'default', 'serve', 'error'] as const),
    takes: '`missing`, `default`, `serve`, `error`',
    default: "the feature's",
    says: 'What to do about a stored value that is too old.',
  },
  on_timeout: {
    read: oneOf(['error', 'defaults'] as const),
    takes: '`error`, `defaults`',
    default: "the feature's",
    says: 'What to do about a stored value that could not be read in time.',
  },
  ...INPUT_KEYS,
  on_non_finite: {
    ...INPUT_KEYS.on_non_finite,
    default: '`reject`, or `accept` with `null_as_nan` or `on_missing: nan`',
  },
} satisfies Record<string, Key<unknown>>;

const DEFAULT_TTL_S = 300;

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

type ManifestKey = keyof typeof MANIFEST_KEYS;

/** What a `model.yaml` says, by key: checked, and without defaults. */
export type WrittenManifest = { readonly [K in ManifestKey]?: ReturnType<(typeof MANIFEST_KEYS)[K]['read']> };

/** The largest `model.yaml` that is read. */
export const MANIFEST_LIMIT_BYTES = 64 * 1024;

/** Reads a `model.yaml`. Throws model_load_failed that names an unknown key or a value that is wrong. */
export function parseManifest(yaml: string, level: 'model' | 'version'): WrittenManifest {
  const written: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(parseYaml(yaml))) readEntry(written, { key, value });
  const misplaced = Object.keys(written).find((key) => keyOf(key)?.modelOnly);
  if (level === 'version' && misplaced !== undefined) {
    throw unfit(`model.yaml: "${misplaced}" concerns all versions; write it in the model's own model.yaml`);
  }
  return written;
}

/** The manifest with every default filled in that does not depend on the files. */
export function toManifest(written: WrittenManifest): Manifest {
  return {
    task: written.task,
    description: written.description,
    versions: written.versions ?? { latest: 1 },
    labels: written.labels ?? {},
    pinned: written.pinned ?? false,
    batching: {
      mode: written['batching.mode'] ?? 'auto',
      maxRows: written['batching.max_rows'] ?? 'auto',
      maxTokens: written['batching.max_tokens'] ?? 16_384,
      delayMs: written['batching.delay_ms'] ?? 0,
      tolerance: written['batching.tolerance'] ?? 1e-4,
    },
    execution: {
      threads: written['execution.threads'] ?? 1,
      instances: written['execution.instances'] ?? 'auto',
      hardTimeoutMs: written['execution.hard_timeout_ms'] ?? 30_000,
    },
    cache: written.cache ?? { ttlMs: DEFAULT_TTL_S * 1000 },
    deadlineMs: written.deadline_ms,
    text: {
      maxTokens: written['text.max_tokens'],
      pooling: written['text.pooling'] ?? 'mean',
      dimensions: written['text.dimensions'] ?? [],
      classes: written['text.classes'],
      multiLabel: written['text.multi_label'],
      probabilities: written['text.probabilities'] ?? false,
    },
    entities: written.entities ?? {},
    tabular: { columns: written['tabular.columns'], classes: written['tabular.classes'] },
    inputs: written.inputs ?? {},
    log: {
      payload: written['log.payload'] ?? 'full',
      samplingRate: written['log.sampling_rate'] ?? 1,
      samplingKey: written['log.sampling_key'],
      fields: written['log.fields'] ?? {},
    },
    sha256: written.sha256 ?? {},
  };
}

/** What a model without any manifest gets. */
export const DEFAULT_MANIFEST: Manifest = toManifest({});

/** Every key with its place, in the order of the documentation. */
export function describeManifest(): readonly (Omit<Key<unknown>, 'read'> & { readonly path: string })[] {
  return [
    ...described(MANIFEST_KEYS, ''),
    ...described(COLUMN_KEYS, 'tabular.columns[].'),
    ...described(INPUT_KEYS, 'inputs.<name>.'),
  ];
}

function described(keys: Readonly<Record<string, Key<unknown>>>, prefix: string) {
  return Object.entries(keys).map(([key, { read: _, ...rest }]) => ({ path: prefix + key, ...rest }));
}

function parseYaml(yaml: string): Record<string, unknown> {
  try {
    const document = parseDocument(yaml, { stringKeys: true, logLevel: 'error' });
    const [problem] = [...document.errors, ...document.warnings];
    if (problem) throw problem;
    // Aliases are refused: nothing in a manifest needs them, and nested they grow without bound.
    return record(document.toJS({ maxAliasCount: 0 }) ?? {}, 'the file');
  } catch (error) {
    if (isQuaysideError(error)) throw error;
    const [sentence] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw unfit(`model.yaml cannot be read: ${sentence}`);
  }
}

function readEntry(written: Record<string, unknown>, { key, value }: { key: string; value: unknown }): void {
  // Only the table writes sections with a dot; a file that does means something else.
  if (key.includes('.')) throw unknownKey(key);
  const isSection = Object.keys(MANIFEST_KEYS).some((other) => other.startsWith(`${key}.`));
  const entries = isSection ? Object.entries(record(value ?? {}, key)) : [['', value] as const];
  for (const [inner, content] of entries) {
    const path = isSection ? `${key}.${inner}` : key;
    const known = keyOf(path);
    if (!known) throw unknownKey(path);
    written[path] = known.read(content, path);
  }
}

function keyOf(path: string): Key<unknown> | undefined {
  return Object.hasOwn(MANIFEST_KEYS, path) ? MANIFEST_KEYS[path as ManifestKey] : undefined;
}

function unknownKey(path: string): Error {
  return unfit(`model.yaml: unknown key "${path}"`);
}

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

function inputOptions(value: unknown, at: string): InputOptions {
  const found = fields(INPUT_KEYS, value, at);
  return { coerce: found.coerce, nullAsNan: found.null_as_nan, onNonFinite: found.on_non_finite };
}

function cache(value: unknown, at: string): Manifest['cache'] {
  if (value === false) return false;
  const { ttl_s = DEFAULT_TTL_S } = fields(CACHE_KEYS, value, at);
  return { ttlMs: ttl_s * 1000 };
}

function column(value: unknown, at: string): ColumnSettings {
  if (typeof value === 'string') return { name: text(value, at) };
  const { name, default: otherwise, from, override, dtype, cast, ...options } = fields(COLUMN_KEYS, value, at);
  if (name === undefined) throw wrong(`${at}.name`, 'given');
  return {
    name,
    default: otherwise,
    from,
    override,
    dtype,
    cast,
    onMissing: options.on_missing,
    onStale: options.on_stale,
    onTimeout: options.on_timeout,
    coerce: options.coerce,
    nullAsNan: options.null_as_nan,
    onNonFinite: options.on_non_finite,
  };
}

/** `request.applicant_id`: the field of a request, without the prefix. */
function requestField(value: unknown, at: string): string {
  const [, field] = typeof value === 'string' ? (/^request\.(.+)$/.exec(value) ?? []) : [];
  if (field === undefined) throw wrong(at, 'request.<field>');
  return field;
}

function fields<K extends Readonly<Record<string, Key<unknown>>>>(
  keys: K,
  value: unknown,
  at: string,
): { readonly [Name in keyof K]?: ReturnType<K[Name]['read']> } {
  const found: Record<string, unknown> = {};
  for (const [name, content] of Object.entries(record(value, at))) {
    const key = Object.hasOwn(keys, name) ? keys[name] : undefined;
    if (!key) throw unknownKey(`${at}.${name}`);
    found[name] = key.read(content, `${at}.${name}`);
  }
  return found as { readonly [Name in keyof K]?: ReturnType<K[Name]['read']> };
}
