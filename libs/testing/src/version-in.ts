import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DEFAULT_MANIFEST, type Manifest, type ModelFiles, type ModelVersion } from '@app/model-registry';

/** What a version differs in from the default; `manifest` and `execution` are merged. */
export interface VersionChanges extends Partial<Omit<ModelVersion, 'manifest'>> {
  readonly manifest?: Partial<Manifest>;
  readonly execution?: Partial<Manifest['execution']>;
}

/**
 * The version in `<models>/<model>/<version>`, with its files and their digests, for tests of what runs models. Its
 * signature is empty until an engine has opened it, and its task is `tensors`, if nothing else is said.
 */
export function versionIn(directory: string, { manifest, execution, ...changes }: VersionChanges = {}): ModelVersion {
  const files = filesIn(directory);
  const merged = { ...DEFAULT_MANIFEST, ...manifest };
  return {
    model: basename(dirname(directory)),
    version: basename(directory),
    digest: sha256(files.all.map(({ path, sha256: hex }) => `${path} ${hex}`).join('\n')),
    files,
    task: 'tensors',
    taskReason: 'Chosen by a test.',
    signature: { inputs: [], outputs: [] },
    metadata: { producer: 'test', opsets: { '': 21 }, properties: {} },
    ...changes,
    manifest: { ...merged, execution: { ...merged.execution, ...execution } },
  };
}

function filesIn(directory: string): ModelFiles {
  const names = readdirSync(directory).sort();
  const optional = (role: 'tokenizer' | 'tokenizerConfig' | 'config', name: string): Partial<ModelFiles> =>
    names.includes(name) ? { [role]: join(directory, name) } : {};
  return {
    directory,
    onnx: join(directory, 'model.onnx'),
    ...optional('tokenizer', 'tokenizer.json'),
    ...optional('tokenizerConfig', 'tokenizer_config.json'),
    ...optional('config', 'config.json'),
    all: names.map((path) => {
      const bytes = readFileSync(join(directory, path));
      return { path, sizeBytes: bytes.byteLength, sha256: sha256(bytes) };
    }),
  };
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
