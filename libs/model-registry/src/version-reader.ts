import { createHash } from 'node:crypto';
import { lstat, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { type Signature, isQuaysideError } from '@app/core';
import type { Manifest } from './manifest';
import { MANIFEST_LIMIT_BYTES, type WrittenManifest, parseManifest, toManifest } from './manifest-schema';
import { openOwnFile, readOwnText, sha256Of } from './model-files';
import type { ModelFiles, ModelVersion, OnnxMetadata } from './model-version';
import { type OnnxFile, readOnnx } from './onnx-file';
import { MAX_COLUMNS, decideTask } from './task-decision';
import type { TaskName } from './task-name';
import { type TextFiles, readClasses, readTextSettings } from './text-settings';
import { unfit } from './unfit';
import type { FoundVersion } from './version-entry';

/** Which version to read. */
export interface VersionSource {
  /** The models folder. */
  readonly root: string;
  readonly model: string;
  readonly version: string;
  /** What the model's own manifest says; a reason instead when it cannot be read, which then holds for every version. */
  readonly modelManifest: WrittenManifest | { readonly unreadable: string };
}

type CountedFile = ModelFiles['all'][number] & { readonly writtenAtMs: number };

const CONFIG_LIMIT_BYTES = 4 * 1024 * 1024;
/** Files that count for a version where they are there, beside the ONNX file and its external data. */
const COMPANIONS = ['tokenizer.json', 'tokenizer_config.json', 'config.json'] as const;

/**
 * Reads one version's folder without running anything. What is wrong with it becomes the reason of a version that
 * cannot be served; only faults of the disk itself throw.
 */
export async function readVersion(source: VersionSource): Promise<FoundVersion> {
  const { version } = source;
  try {
    const { details, createdAtMs } = await read(source);
    return { version, createdAtMs, details };
  } catch (error) {
    if (!isQuaysideError(error)) throw error;
    const writtenAtMs = await lstat(join(source.root, source.model, version)).then(
      (stats) => stats.mtimeMs,
      () => 0,
    );
    return { version, createdAtMs: Math.round(writtenAtMs), reason: error.message };
  }
}

/** Reads the manifest in a folder; an absent one says nothing. Throws model_load_failed. */
export async function readManifest(directory: string, level: 'model' | 'version'): Promise<WrittenManifest> {
  const text = await readOwnText({ directory, name: 'model.yaml', limitBytes: MANIFEST_LIMIT_BYTES });
  return text === undefined ? {} : parseManifest(text, level);
}

async function read(source: VersionSource): Promise<{ readonly details: ModelVersion; readonly createdAtMs: number }> {
  const directory = await ownDirectory(source);
  if ('unreadable' in source.modelManifest) throw unfit(source.modelManifest.unreadable);
  const written = { ...source.modelManifest, ...(await readManifest(directory, 'version')) };
  const onnx = await readModelFile(directory);
  const counted = await hashFiles(directory, onnx);
  checkPins(counted, written);
  const files = toFiles(directory, counted);
  const text = {
    config: await readJson(directory, 'config.json'),
    tokenizerConfig: await readJson(directory, 'tokenizer_config.json'),
  };
  return {
    createdAtMs: Math.max(...counted.map(({ writtenAtMs }) => writtenAtMs)),
    details: {
      model: source.model,
      version: source.version,
      digest: digestOf(counted, written),
      files,
      metadata: onnx.metadata,
      signature: onnx.signature,
      ...interpret({ written, onnx, text, hasTokenizer: files.tokenizer !== undefined }),
    },
  };
}

/** The version's folder, after making sure that no part of its path leads elsewhere. */
async function ownDirectory({ root, model, version }: VersionSource): Promise<string> {
  const base = await realpath(root);
  const directory = join(base, model, version);
  const real = await realpath(directory);
  if (real !== directory)
    throw unfit(`its folder is ${real.startsWith(base + sep) ? 'a symbolic link' : 'a link out of the models folder'}`);
  return directory;
}

async function readModelFile(directory: string): Promise<OnnxFile> {
  const opened = await openOwnFile(directory, 'model.onnx');
  if (!opened) throw unfit('there is no model.onnx in its folder');
  try {
    return await readOnnx(opened.handle, opened.sizeBytes);
  } finally {
    await opened.handle.close();
  }
}

async function hashFiles(directory: string, onnx: OnnxFile): Promise<readonly CountedFile[]> {
  const found: CountedFile[] = [];
  for (const path of [...new Set(['model.onnx', ...onnx.externalFiles, ...COMPANIONS])].sort()) {
    const file = await hashFile(directory, path);
    if (file) found.push(file);
    else if (onnx.externalFiles.includes(path)) throw unfit(`model.onnx has weights in "${path}", which is not there`);
  }
  return found;
}

async function hashFile(directory: string, path: string): Promise<CountedFile | undefined> {
  const opened = await openOwnFile(directory, path);
  if (!opened) return undefined;
  try {
    const { sizeBytes, writtenAtMs } = opened;
    return { path, sizeBytes, writtenAtMs, sha256: await sha256Of(opened) };
  } finally {
    await opened.handle.close();
  }
}

function checkPins(counted: readonly CountedFile[], { sha256 = {} }: WrittenManifest): void {
  for (const [path, wanted] of Object.entries(sha256)) {
    const file = counted.find((candidate) => candidate.path === path);
    if (!file) throw unfit(`model.yaml gives a SHA-256 for "${path}", which is not one of the version's files`);
    if (file.sha256 !== wanted) throw unfit(`${path} has the SHA-256 ${file.sha256}, and model.yaml demands ${wanted}`);
  }
}

/**
 * What a manifest says counts like a file, except what concerns the choice among versions: moving a label must not
 * reload anything. Comments do not count.
 */
function digestOf(counted: readonly CountedFile[], { versions: _, labels: __, ...rest }: WrittenManifest): string {
  const entries = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  const manifest = entries.length === 0 ? [] : [['model.yaml', sha256Text(JSON.stringify(entries))] as const];
  const all = [...counted.map(({ path, sha256 }) => [path, sha256] as const), ...manifest];
  return sha256Text(JSON.stringify(all.sort(([a], [b]) => (a < b ? -1 : 1))));
}

function sha256Text(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function toFiles(directory: string, counted: readonly CountedFile[]): ModelFiles {
  const pathOf = (name: string) => (counted.some(({ path }) => path === name) ? join(directory, name) : undefined);
  return {
    directory,
    onnx: join(directory, 'model.onnx'),
    tokenizer: pathOf('tokenizer.json'),
    tokenizerConfig: pathOf('tokenizer_config.json'),
    config: pathOf('config.json'),
    all: counted.map(({ path, sizeBytes, sha256 }) => ({ path, sizeBytes, sha256 })),
  };
}

async function readJson(directory: string, name: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readOwnText({ directory, name, limitBytes: CONFIG_LIMIT_BYTES });
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Falls through to the same sentence: what the file holds is none of the reader's business.
  }
  throw unfit(`${name} is not a JSON object`);
}

/** Everything that was read of a version. */
interface Findings {
  readonly written: WrittenManifest;
  readonly onnx: OnnxFile;
  readonly text: TextFiles;
  readonly hasTokenizer: boolean;
}

/** Joins what the files and the manifest say, and refuses what does not fit together. */
function interpret(findings: Findings): Pick<ModelVersion, 'task' | 'taskReason' | 'manifest' | 'text'> {
  const { written, onnx } = findings;
  const { task, taskReason } = nameTask(findings);
  const manifest = completeManifest(written, onnx);
  checkInputs(manifest, { task, signature: onnx.signature });
  const isText = task === 'text-classification' || task === 'embedding';
  const decided = {
    task,
    taskReason: [taskReason, ...onnx.notes.map((note) => `${capitalised(note)}.`)].join(' '),
    manifest,
  };
  if (!isText) return decided;
  if (!findings.hasTokenizer) throw unfit(`the task ${task} needs a tokenizer.json`);
  const text = readTextSettings(manifest, findings.text);
  if (task === 'text-classification') checkClasses(text.classes, onnx.signature);
  return { ...decided, text };
}

function nameTask({ written, onnx, text, hasTokenizer }: Findings): {
  readonly task: TaskName;
  readonly taskReason: string;
} {
  if (written.task) return { task: written.task, taskReason: 'Named by model.yaml.' };
  const classCount = written['text.classes']?.length ?? readClasses(text.config).length;
  const { task, reason } = decideTask({ signature: onnx.signature, hasTokenizer, classCount });
  return { task, taskReason: reason };
}

/** Fills in the defaults that come from the ONNX file. */
function completeManifest(written: WrittenManifest, { signature, metadata }: OnnxFile): Manifest {
  const manifest = toManifest(written);
  const perToken = signature.outputs.some(({ shape }) => shape.length === 3);
  return {
    ...manifest,
    text: { ...manifest.text, pooling: written['text.pooling'] ?? (perToken ? 'mean' : 'none') },
    tabular: { ...manifest.tabular, classes: written['tabular.classes'] ?? metadataClasses(metadata) },
  };
}

/** `classes` in the metadata, a JSON list, is a convention and not a rule: anything else there is none of ours. */
function metadataClasses({ properties }: OnnxMetadata): readonly string[] | undefined {
  try {
    const value: unknown = JSON.parse(properties.classes ?? 'null');
    return Array.isArray(value) && value.every((name) => typeof name === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

function checkInputs(
  manifest: Manifest,
  { task, signature }: { readonly task: TaskName; readonly signature: Signature },
): void {
  const names = signature.inputs.map(({ name }) => name);
  const strange = Object.keys(manifest.inputs).find((name) => !names.includes(name));
  if (strange !== undefined)
    throw unfit(`model.yaml: "inputs.${strange}" is not an input; there are: ${names.join(', ')}`);
  const { columns } = manifest.tabular;
  const width = names.length === 1 ? signature.inputs[0]?.shape[1] : names.length;
  if (task !== 'tabular' || typeof width !== 'number') return;
  if (width > MAX_COLUMNS)
    throw unfit(`it takes ${width} columns, and a row has at most ${MAX_COLUMNS}; say "task: tensors" in model.yaml`);
  if (!columns || columns.length === width) return;
  throw unfit(`model.yaml: "tabular.columns" names ${columns.length} columns, and the model takes ${width}`);
}

function checkClasses(classes: readonly string[], { outputs }: Signature): void {
  const scores = outputs.find(({ shape }) => shape.length === 2);
  const columns = scores?.shape[1];
  if (classes.length === 0 || typeof columns !== 'number' || columns === classes.length) return;
  throw unfit(`the output "${scores?.name}" has ${columns} classes, and ${classes.length} are named`);
}

function capitalised(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
