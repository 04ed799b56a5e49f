import { isQuaysideError } from '@app/core';
import { parseDocument } from 'yaml';
import { COLUMN_KEYS, INPUT_KEYS } from './column-keys';
import type { Manifest } from './manifest';
import { type Key, unknownKey } from './manifest-key';
import { DEFAULT_TTL_S, MANIFEST_KEYS } from './manifest-keys';
import { record } from './manifest-values';
import { unfit } from './unfit';

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
